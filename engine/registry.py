"""From `langgraph.json` to graphs that can run: what a project named, loaded and kept ready."""

import asyncio
import copy
import inspect
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, cast, get_origin

from dotenv import dotenv_values
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore, IndexConfig, TTLConfig
from langgraph_sdk import Auth
from langgraph_sdk.auth.types import BaseUser
from langgraph_sdk.runtime import (
    AccessContext,
    ServerRuntime,
    _ExecutionRuntime,
    _ReadRuntime,
)

from engine.errors import ConfigurationError, InvalidValueError
from engine.graph_input import Intake, check_input
from engine.loading import LoadFailure, describe_failure, load_object
from engine.project import Project, read_project

log = logging.getLogger(__name__)

Graph = Pregel[Any, Any, Any, Any]

# How long a submission waits for a factory that is asked what its graph takes.
INTAKE_SECONDS = 5.0

# The SDK names the two halves of ServerRuntime privately, yet only the server can build them.
_RUNTIME_TYPES = (ServerRuntime, _ExecutionRuntime, _ReadRuntime)


@dataclass(frozen=True, slots=True)
class _Factory:
    """A function of the project that makes a graph, and what it wants to be told."""

    function: Callable[..., Any]
    wants_config: str | None
    wants_runtime: str | None


@dataclass(slots=True, kw_only=True)
class Registry:
    """The graphs of one project.

    Attributes:
        project: the project's settings.
        failures: graphs that could not be loaded, by graph id; the others serve.
        auth: the project's own authentication and authorisation, or None.
        app: the project's own ASGI application (`http.app`), or None.
    """

    project: Project
    failures: dict[str, LoadFailure] = field(default_factory=dict)
    auth: Auth | None = None
    app: Any = None
    _graphs: dict[str, Graph | _Factory] = field(default_factory=dict)
    _intakes: dict[str, Intake] = field(default_factory=dict)

    @property
    def graph_ids(self) -> list[str]:
        """Ids of the graphs that can run, in the order of the file."""
        return [graph_id for graph_id in self.project.graphs if graph_id in self._graphs]

    def require(self, graph_id: str) -> None:
        """Check that a graph can run.

        Raises:
            InvalidValueError: the project names no such graph, or it failed to load.
        """
        if graph_id in self._graphs:
            return
        failure = self.failures.get(graph_id)
        if failure is not None:
            raise InvalidValueError(
                "/graph_id", f"a graph that could be loaded ({failure})", graph_id
            )
        raise InvalidValueError(
            "/graph_id", f"one of {', '.join(map(repr, self.graph_ids)) or 'none'}", graph_id
        )

    async def check_input(
        self, graph_id: str, value: Any, config: Mapping[str, Any] | None = None
    ) -> None:
        """Refuse an input of another JSON type than the graph's input schema names.

        Raises:
            InvalidValueError: there is no such graph, or the input does not fit.
        """
        intake = await self.intake(graph_id, config)
        try:
            check_input(value, intake.types)
        except InvalidValueError:
            if isinstance(self._graphs[graph_id], Pregel):
                raise
            # A factory may make another graph of another config: ask it about this one.
            check_input(value, (await self._asked(graph_id, config) or Intake()).types)

    async def intake(self, graph_id: str, config: Mapping[str, Any] | None = None) -> Intake:
        """Return what a graph takes from callers.

        A factory is asked for a graph once, as for its schemas; while it makes none, all is taken.

        Raises:
            InvalidValueError: there is no such graph.
        """
        self.require(graph_id)
        if graph_id not in self._intakes:
            made = await self._asked(graph_id, config)
            if made is None:
                return Intake()
            self._intakes[graph_id] = made
        return self._intakes[graph_id]

    async def _asked(self, graph_id: str, config: Mapping[str, Any] | None) -> Intake | None:
        try:
            async with (
                asyncio.timeout(INTAKE_SECONDS),
                self.graph(graph_id, config, access="assistants.read") as graph,
            ):
                return Intake.of(graph)
        except Exception as error:  # the run will tell it to whoever asked for it
            log.info("intake_unknown", extra={"graph_id": graph_id, "error": repr(error)})
            return None

    @asynccontextmanager
    async def graph(
        self,
        graph_id: str,
        config: Mapping[str, Any] | None = None,
        *,
        store: BaseStore | None = None,
        access: AccessContext = "threads.create_run",
        context: Any = None,
        user: BaseUser | None = None,
    ) -> AsyncIterator[Graph]:
        """Yield a compiled graph without a checkpointer; copy it with yours.

        A factory is called each time it is asked for, with what its parameters want: the run's
        config, or a `ServerRuntime` that says why it is called. A context manager is left when
        the block ends.

        Raises:
            InvalidValueError: there is no such graph.
        """
        self.require(graph_id)
        entry = self._graphs[graph_id]
        if isinstance(entry, Pregel):
            yield entry
            return
        arguments: dict[str, Any] = {}
        if entry.wants_config is not None:
            arguments[entry.wants_config] = {
                **(config or {}),
                "configurable": dict((config or {}).get("configurable") or {}),
            }
        if entry.wants_runtime is not None:
            shared: dict[str, Any] = {
                "access_context": access,
                "user": user,
                "store": cast("BaseStore", store),
            }
            arguments[entry.wants_runtime] = (
                _ExecutionRuntime(**shared, context=context)
                if access == "threads.create_run"
                else _ReadRuntime(**shared)
            )
        async with _opened(entry.function(**arguments)) as made:
            yield _compiled(made, graph_id)

    def serializer(self) -> JsonPlusSerializer:
        """Return the serializer for checkpoints: strict, plus the classes the project allows."""
        serde = self.project.checkpointer and self.project.checkpointer.serde
        if not serde:
            return JsonPlusSerializer()
        return JsonPlusSerializer(
            allowed_json_modules=_modules(serde.allowed_json_modules),
            allowed_msgpack_modules=_modules(serde.allowed_msgpack_modules),
        )

    def store_index(self) -> IndexConfig | None:
        """Return how the store searches by meaning, or None when it does not."""
        index = self.project.store and self.project.store.index
        if not index:
            return None
        embed: Any = index.embed
        if embed.partition(":")[0].endswith(".py") or "/" in embed.partition(":")[0]:
            embed = load_object(embed, self.project.folder)
        config: IndexConfig = {"dims": index.dims, "embed": embed}
        if index.fields is not None:
            config["fields"] = index.fields
        return config

    def store_ttl(self) -> TTLConfig:
        """Return how long items of the store live; one that is over is never shown."""
        ttl = self.project.store and self.project.store.ttl
        config: TTLConfig = {"omit_expired": True}
        if ttl:
            config["refresh_on_read"] = ttl.refresh_on_read
        if ttl and ttl.default_ttl is not None:
            config["default_ttl"] = ttl.default_ttl
        return config


async def load_registry(config_path: Path) -> Registry:
    """Read a `langgraph.json`, set up its environment and load its graphs.

    A graph that cannot be loaded is logged with file and line and left out. A project's own
    authentication or application that cannot be loaded stops the start.

    Raises:
        ConfigurationError: the file cannot be used, or no graph at all could be loaded.
    """
    project = read_project(config_path)
    _set_environment(project)
    _extend_path(project)
    registry = Registry(project=project)
    for graph_id, definition in project.graphs.items():
        try:
            loaded = load_object(definition.path, project.folder)
            registry._graphs[graph_id] = await _prepared(loaded, graph_id)  # noqa: SLF001 - built here
        except Exception as error:
            failure = describe_failure(definition.path, error, project.folder)
            registry.failures[graph_id] = failure
            log.error("graph_failed_to_load", extra={"graph_id": graph_id, **asdict(failure)})
            log.info("graph_failed_to_load_at", exc_info=True, extra={"graph_id": graph_id})
    if not registry.graph_ids:
        told = "; ".join(str(failure) for failure in registry.failures.values())
        raise ConfigurationError(f"no graph of {config_path} can be loaded: {told or 'none named'}")
    if project.auth is not None:
        auth: Auth = _load_whole(project.auth.path, project, Auth)
        if auth._authenticate_handler is None:  # noqa: SLF001 - the SDK documents it as read by servers
            raise ConfigurationError(
                f"{project.auth.path} has no @auth.authenticate: everybody would be signed in"
            )
        registry.auth = auth
    if project.http.app is not None:
        registry.app = _load_whole(project.http.app, project, None)
    return registry


def _load_whole(path: str, project: Project, kind: type | None) -> Any:
    try:
        loaded = load_object(path, project.folder)
    except Exception as error:
        failure = describe_failure(path, error, project.folder)
        raise ConfigurationError(f"cannot load {failure}") from error
    if kind is not None and not isinstance(loaded, kind):
        raise ConfigurationError(f"{path} is a {type(loaded).__name__}, not a {kind.__name__}")
    return loaded


def _set_environment(project: Project) -> None:
    # What the process was started with wins over the file.
    match project.env:
        case None:
            return
        case str(name):
            file = project.folder / name
            if not file.is_file():
                log.warning("env_file_missing", extra={"file": str(file)})
                return
            values: Mapping[str, str | None] = dotenv_values(file)
        case values:
            pass
    for name, value in values.items():
        if value is not None:
            os.environ.setdefault(name, value)


def _extend_path(project: Project) -> None:
    for entry in reversed(project.dependencies):
        if entry.startswith("."):
            folder = (project.folder / entry).resolve()
            source = folder / "src"
            for place in (source, folder) if source.is_dir() else (folder,):
                if str(place) not in sys.path:
                    sys.path.insert(0, str(place))
        elif entry.isidentifier() or "-" in entry:
            try:
                metadata.distribution(entry)
            except metadata.PackageNotFoundError:
                log.warning("dependency_not_installed", extra={"dependency": entry})


async def _prepared(loaded: Any, graph_id: str) -> Graph | _Factory:
    if isinstance(loaded, Pregel | StateGraph):
        return _compiled(loaded, graph_id)
    if not callable(loaded):
        raise ConfigurationError(
            f"a {type(loaded).__name__} is neither a graph nor a function that makes one"
        )
    factory = _inspected(loaded)
    if factory.wants_config is None and factory.wants_runtime is None:
        made = factory.function()
        if inspect.isawaitable(made):
            made = await made
        if isinstance(made, Pregel | StateGraph):
            return _compiled(made, graph_id)
        if not isinstance(made, AbstractAsyncContextManager | AbstractContextManager):
            _compiled(made, graph_id)
    return factory


def _inspected(function: Callable[..., Any]) -> _Factory:
    signature = inspect.signature(function, eval_str=True)
    config: str | None = None
    runtime: str | None = None
    unclear: list[str] = []
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        annotation = get_origin(parameter.annotation) or parameter.annotation
        if annotation in _RUNTIME_TYPES or (annotation is parameter.empty and name == "runtime"):
            runtime = name
        elif annotation in (RunnableConfig, dict) or name == "config":
            config = name
        elif parameter.default is parameter.empty:
            unclear.append(name)
    if len(unclear) == 1 and config is None and runtime is None:
        config = unclear.pop()
    if unclear:
        raise ConfigurationError(
            f"a graph factory takes nothing, a RunnableConfig or a ServerRuntime;"
            f" it cannot be told {', '.join(unclear)}"
        )
    return _Factory(function, config, runtime)


@asynccontextmanager
async def _opened(made: Any) -> AsyncIterator[Any]:
    if inspect.isawaitable(made):
        made = await made
    # A compiled graph is neither; checked first because duck types differ between versions.
    if isinstance(made, Pregel | StateGraph):
        yield made
    elif isinstance(made, AbstractAsyncContextManager):
        async with made as graph:
            yield graph
    elif isinstance(made, AbstractContextManager):
        with made as graph:
            yield graph
    else:
        yield made


def _compiled(made: Any, graph_id: str) -> Graph:
    if isinstance(made, StateGraph):
        made = made.compile()
    if not isinstance(made, Pregel):
        raise ConfigurationError(f"the factory returned a {type(made).__name__}, not a graph")
    if made.name == "LangGraph":
        # `made.copy` would forget which classes the graph's schemas allow in checkpoints.
        named: Graph = copy.copy(made)
        named.name = graph_id
        return named
    return made


def _modules(allowed: list[list[str]] | bool | None) -> Any:
    return [tuple(entry) for entry in allowed] if isinstance(allowed, list) else allowed or None
