"""Messages of callers who may speak for themselves only.

LangGraph takes a message of any role from whoever writes to a channel of messages: a caller could
put words into the mouth of the model, of a tool or of the system, rewrite a message by sending its
id again, or wipe them all. From an untrusted caller only the user's own messages are taken, and the
graph gives them their ids.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, get_args

from langchain_core.messages import BaseMessage
from langgraph.graph.message import add_messages
from langgraph.pregel import Pregel

from engine.errors import InvalidValueError

USER_ROLES = frozenset({"user", "human"})
ROLES = USER_ROLES | {"ai", "assistant", "system", "developer", "tool", "function"}
FIELDS = frozenset({"role", "type", "content", "id", "name", "additional_kwargs"})
MAX_TEXT_CHARACTERS = 262_144
# Where messages are kept by convention, for a graph whose channels are not known beforehand.
USUAL_CHANNELS = frozenset({"messages"})


def message_channels(graph: Pregel[Any, Any, Any, Any]) -> frozenset[str]:
    """Return the channels of a graph that hold messages; `__root__` for its whole state.

    Their type says so, or LangGraph's own reducer of messages: `Annotated[list, add_messages]`.
    """
    return frozenset(
        name
        for name, channel in graph.channels.items()
        if _adds_messages(channel)
        or any(_is_message(kind) for kind in _kinds(getattr(channel, "UpdateType", None)))
    )


def from_user(value: Any, channels: frozenset[str], *, pointer: str) -> Any:
    """Return an input or update with its messages as the user's own, without ids.

    Args:
        value: what the caller sent: fields by name, pairs of them, or a message list.
        channels: see `message_channels`.
        pointer: where it was sent, for the refusal.

    Raises:
        InvalidValueError: a message is not the user's, or its text is too long.
    """
    if isinstance(value, Mapping):
        return {
            name: _messages(item, f"{pointer}/{name}") if name in channels else item
            for name, item in value.items()
        }
    if "__root__" in channels:
        return _messages(value, pointer)
    if isinstance(value, list) and all(_is_field(item) for item in value):
        return [
            (name, _messages(item, f"{pointer}/{name}") if name in channels else item)
            for name, item in value
        ]
    return value


def command_from_user(command: Mapping[str, Any], channels: frozenset[str]) -> dict[str, Any]:
    """Return a command whose update and whose inputs of nodes are as `from_user` leaves them."""
    clean = dict(command)
    if "update" in clean:
        clean["update"] = from_user(clean["update"], channels, pointer="/command/update")
    goto = clean.get("goto")
    if isinstance(goto, Mapping | list):
        targets = goto if isinstance(goto, list) else [goto]
        clean["goto"] = [
            {**target, "input": from_user(target.get("input"), channels, pointer="/command/goto")}
            if isinstance(target, Mapping)
            else target
            for target in targets
        ]
    return clean


def _messages(value: Any, pointer: str) -> Any:
    if isinstance(value, list) and not _is_pair(value):
        return [_message(item, f"{pointer}/{number}") for number, item in enumerate(value)]
    return _message(value, pointer)


def _message(value: Any, pointer: str) -> Any:
    if value is None:
        return value
    message: Mapping[str, Any] = {}
    if isinstance(value, str):
        message = {"role": "user", "content": value}
    elif _is_pair(value):
        message = {"role": value[0], "content": value[1]}
    elif isinstance(value, Mapping):
        message = value
    roles = [message[key] for key in ("role", "type") if key in message]
    said_by_user = bool(roles) and all(
        isinstance(role, str) and role in USER_ROLES for role in roles
    )
    if not said_by_user or not message.keys() <= FIELDS:
        raise InvalidValueError(pointer, "a message of the role user", value)
    if sum(len(text) for text in _texts(message.get("content"))) > MAX_TEXT_CHARACTERS:
        raise InvalidValueError(f"{pointer}/content", f"at most {MAX_TEXT_CHARACTERS} characters")
    return {name: item for name, item in message.items() if name != "id"}


def _texts(content: Any) -> Iterator[str]:
    for block in content if isinstance(content, list) else [content]:
        text = block.get("text") if isinstance(block, Mapping) else block
        if isinstance(text, str):
            yield text


def _is_field(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], str)


def _is_pair(value: Any) -> bool:
    """Tell whether a value is one message as role and content, not two messages."""
    return _is_field(value) and value[0] in ROLES


def _adds_messages(channel: Any) -> bool:
    reducer = getattr(channel, "operator", None) or getattr(channel, "reducer", None)
    while isinstance(reducer, partial):  # `add_messages(format=…)`
        reducer = reducer.func
    return getattr(reducer, "__module__", None) == add_messages.__module__


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from _kinds(argument)


def _is_message(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseMessage)
