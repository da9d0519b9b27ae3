"""Who calls, and what the caller may do: what the guard (`api/auth.py`) leaves with a request."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends
from fastapi.requests import HTTPConnection

# The permission of a caller who may write messages of every role: a back end of the project.
ANY_ROLE = "messages:any"


@dataclass(frozen=True, slots=True)
class User:
    """The caller, as the project's handler described it.

    Attributes:
        identity: who it is; names the actor in the audit log.
        permissions: what the project's own handlers look at.
        fields: everything else the handler said.
    """

    identity: str
    permissions: Sequence[str] = ()
    display_name: str = ""
    is_authenticated: bool = True
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.fields[key]

    def __contains__(self, key: object) -> bool:
        return key in self.fields

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError as error:
            raise AttributeError(name) from error


ANYBODY = User("anonymous", is_authenticated=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the caller of one request may do.

    Attributes:
        user: None where the project has no authentication.
        scope: what the metadata of a thing must contain to exist for the caller.
        value: the request as the project's handler left it; it may have added metadata, or moved
            a store namespace.
        trusted: whether messages of every role are taken from the caller.
    """

    user: User | None = None
    scope: Mapping[str, Any] = field(default_factory=dict)
    value: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = True

    def metadata(self, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return metadata to store: the caller's own, under what the handler added."""
        added = self.value.get("metadata")
        if given is None and not added:
            return None
        return {**(given or {}), **(added or {})}

    def owned(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the metadata of a new thing, such that it exists for the caller who makes it."""
        return _containing(self.metadata(given) or {}, self.scope)

    @property
    def ownership(self) -> dict[str, Any]:
        """The metadata that makes a thing of the caller's exist for the caller."""
        return self.owned(None)

    def namespace(self, given: Sequence[str]) -> tuple[str, ...]:
        """Return the store namespace to use: the handler's, or the caller's own."""
        moved = self.value.get("namespace")
        return tuple(given) if moved is None else tuple(moved)


def _containing(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with as little changed as lets it contain what is wanted."""
    whole = dict(found)
    for name, value in wanted.items():
        before = whole.get(name)
        if isinstance(before, list) and isinstance(value, list):
            whole[name] = [*before, *(item for item in value if item not in before)]
        elif isinstance(before, Mapping) and isinstance(value, Mapping):
            whole[name] = _containing(before, value)
        else:
            whole[name] = value
    return whole


def access(connection: HTTPConnection) -> Access:
    """Return what the guard found."""
    found: Access = getattr(connection.state, "access", None) or Access()
    return found


async def _allowed(connection: HTTPConnection) -> Access:
    return access(connection)  # a plain function would be sent to a thread


AccessDependency = Annotated[Access, Depends(_allowed)]
