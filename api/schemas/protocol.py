"""Protocol v2 as clients send it: commands and subscriptions."""

from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, model_validator

from api.schemas.common import WHOLE, Name, Strict, Uuid, examples
from api.schemas.runs import RunConfig, SendCommand
from engine.protocol_v2 import CHANNELS, CUSTOM_PREFIX
from engine.runs.run import MultitaskStrategy
from engine.thread_state import MAX_HISTORY

MAX_CHANNELS = 64
MAX_NAMESPACES = 256
MAX_KEYS = 256

Namespace = list[str]
ErrorCode = Literal[
    "invalid_argument",
    "unknown_command",
    "unknown_error",
    "no_such_run",
    "no_such_subscription",
    "no_such_namespace",
    "no_such_interrupt",
    "no_such_checkpoint",
    "permission_denied",
    "not_supported",
]


class Command(Strict):
    """One command; `id` comes back with its answer."""

    model_config = examples(
        {
            "id": 1,
            "method": "run.start",
            "params": {"assistant_id": "purchase_order", "input": {"request": "screws"}},
        }
    )

    id: Annotated[int, Field(strict=True, ge=0), WHOLE]
    method: Annotated[str, Field(min_length=1, max_length=100)]
    params: dict[str, Any] = Field(default_factory=dict)


class RunStart(Strict):
    """`run.start`: on a thread that waits at a question, `input` is its answer."""

    assistant_id: Name
    input: Any = None
    config: RunConfig | None = None
    metadata: dict[str, Any] | None = None
    multitask_strategy: MultitaskStrategy | None = Field(
        None, validation_alias=AliasChoices("multitask_strategy", "multitaskStrategy")
    )
    langsmith_tracer: None = None


class Answer(Strict):
    """One question's answer."""

    namespace: Namespace = Field(default_factory=list)
    interrupt_id: Name
    response: Any = None


class InputRespond(Strict):
    """`input.respond`: one answer, or several at once in `responses`."""

    namespace: Namespace | None = None
    interrupt_id: Name | None = None
    response: Any = None
    responses: Annotated[list[Answer], Field(min_length=1)] | None = None
    update: dict[str, Any] | None = None
    goto: str | SendCommand | list[str | SendCommand] | None = None
    config: RunConfig | None = None
    metadata: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.interrupt_id is None) == (self.responses is None):
            raise ValueError("give `interrupt_id` with `response`, or `responses`")
        return self

    @property
    def answers(self) -> dict[str, Any]:
        """The answers by interrupt id."""
        if self.responses is not None:
            return {answer.interrupt_id: answer.response for answer in self.responses}
        return {str(self.interrupt_id): self.response}


class GetTree(Strict):
    """`agent.getTree`; a run that is named must be one of the thread."""

    run_id: Uuid | None = None


class StateGet(Strict):
    """`state.get`: all values, or those of some keys."""

    namespace: Namespace = Field(default_factory=list)
    keys: Annotated[list[str], Field(max_length=MAX_KEYS)] | None = None


class ListCheckpoints(Strict):
    """`state.listCheckpoints`, newest first."""

    namespace: Namespace = Field(default_factory=list)
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_HISTORY), WHOLE] = 10
    before: Name | None = None


class StateFork(Strict):
    """`state.fork`: go on from an earlier checkpoint, with new input or without."""

    checkpoint_id: Name
    input: Any = None
    config: RunConfig | None = None


class Subscribe(Strict):
    """Which events to see, and from where on."""

    model_config = examples({"channels": ["values", "messages", "lifecycle"], "since": 0})

    channels: Annotated[list[str], Field(min_length=1, max_length=MAX_CHANNELS)]
    namespaces: Annotated[list[Namespace], Field(max_length=MAX_NAMESPACES)] | None = None
    depth: Annotated[int, Field(strict=True, ge=0), WHOLE] | None = None
    since: Annotated[int, Field(strict=True, ge=0), WHOLE] | None = None

    @property
    def unknown_channels(self) -> list[str]:
        """The channels that the protocol does not have."""
        return [
            channel
            for channel in self.channels
            if channel not in CHANNELS and not channel.startswith(CUSTOM_PREFIX)
        ]

    def shows(self, method: str, namespace: list[str], name: str | None) -> bool:
        """Tell whether an event is to be sent; `name` is that of a custom event."""
        channel = "input" if method.startswith("input.") else method
        named = f"{CUSTOM_PREFIX}{name}" if method == "custom" and name else channel
        if channel not in self.channels and named not in self.channels:
            return False
        if not self.namespaces:
            return self.depth is None or len(namespace) <= self.depth
        return any(self._within(namespace, prefix) for prefix in self.namespaces)

    def _within(self, namespace: list[str], prefix: list[str]) -> bool:
        if len(prefix) > len(namespace):
            return False
        for wanted, found in zip(prefix, namespace, strict=False):
            # A name without a task id stands for every task of that name.
            if wanted != found and (":" in wanted or found.partition(":")[0] != wanted):
                return False
        return self.depth is None or len(namespace) - len(prefix) <= self.depth


class Unsubscribe(Strict):
    """`subscription.unsubscribe`."""

    subscription_id: str
