"""Assistants: graphs with a configuration of their own, in versions; one made for each graph."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4, uuid5

from engine.database import Connection, Database, statement
from engine.errors import AlreadyExistsError, ConflictError, InvalidValueError, NotFoundError
from engine.graph_schemas import graph_schemas
from engine.listing import Page, Scope, make_page, sorted_statement
from engine.registry import Graph, Registry
from engine.values import jsonb

# The ecosystem's namespace: clients compute the id of a graph's assistant themselves.
SYSTEM_NAMESPACE = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
SYSTEM = {"created_by": "system"}
SORT_COLUMNS = frozenset({"assistant_id", "graph_id", "name", "created_at", "updated_at"})
UNTITLED = "Untitled"
MAX_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """A graph and how to run it.

    Attributes:
        config: merged under a run's own config.
        context: merged under a run's own context.
        version: the version that runs now; rises with each change.
        updated_at: None for a version out of the history.
    """

    assistant_id: str
    graph_id: str
    name: str
    description: str | None
    config: Mapping[str, Any]
    context: Mapping[str, Any]
    metadata: Mapping[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime | None = None


def system_assistant_id(graph_id: str) -> str:
    """Return the id that every server of the ecosystem gives to a graph's own assistant."""
    return str(uuid5(SYSTEM_NAMESPACE, graph_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistants:
    """The assistants of the database's tenant.

    `scope` in the methods limits them to assistants whose metadata contains it; others do not
    exist for that caller.
    """

    database: Database
    registry: Registry
    _recent: dict[str, Assistant] = field(default_factory=dict, init=False)

    async def add_system_assistants(self) -> None:
        """Make one assistant per graph, version 1, where it is missing."""
        for graph_id in self.registry.graph_ids:
            async with self.database.transaction() as connection:
                await self._insert(
                    connection,
                    assistant_id=system_assistant_id(graph_id),
                    graph_id=graph_id,
                    name=graph_id,
                    description=self.registry.project.graphs[graph_id].description,
                    metadata=SYSTEM,
                )

    async def resolve(
        self, connection: Connection, assistant_id: str, *, scope: Scope | None = None
    ) -> Assistant:
        """Return an assistant by its id, or a graph's own one by the graph's name.

        Raises:
            InvalidValueError: it is neither a UUID nor the name of a graph that loads.
            NotFoundError: there is no assistant with this id.
        """
        wanted = self._id_of(assistant_id)
        cursor = await connection.execute(
            statement("read_assistant"), self._parameters(wanted, scope)
        )
        row = await cursor.fetchone()
        if row is None:
            raise NotFoundError("assistant", assistant_id)
        return Assistant(**row)

    def recall(self, assistant_id: str) -> Assistant | None:
        """Return an assistant as it was when it last ran here, if it did.

        Whoever acts on it checks in the same statement that its `updated_at` still holds, and
        resolves it where it does not.
        """
        return self._recent.get(self._id_of(assistant_id))

    def remember(self, assistant: Assistant) -> None:
        """Keep an assistant for `recall`."""
        if len(self._recent) >= MAX_REMEMBERED:
            self._recent.clear()
        self._recent[assistant.assistant_id] = assistant

    async def get(self, assistant_id: str, *, scope: Scope | None = None) -> Assistant:
        """Return an assistant by its id or by its graph's name; see `resolve`."""
        async with self.database.pool.connection() as connection:
            return await self.resolve(connection, assistant_id, scope=scope)

    async def create(
        self,
        connection: Connection,
        *,
        graph_id: str,
        assistant_id: str | None = None,
        name: str | None = None,
        description: str | None = None,
        config: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        if_exists: str = "raise",
        scope: Scope | None = None,
    ) -> Assistant:
        """Make an assistant, in the caller's transaction.

        Args:
            connection: the caller's transaction.
            graph_id: the graph it runs.
            assistant_id: its id; None makes one.
            name: shown to people.
            description: shown to people.
            config: merged under each run's config.
            context: merged under each run's context.
            metadata: for searches.
            if_exists: `raise`, or `do_nothing` to get the one that has the id.
            scope: what the one that has the id must match to be returned.

        Raises:
            InvalidValueError: no such graph.
            AlreadyExistsError: the id is taken.
        """
        self.registry.require(graph_id)
        assistant_id = assistant_id or str(uuid4())
        made = await self._insert(
            connection,
            assistant_id=assistant_id,
            graph_id=graph_id,
            name=name or UNTITLED,
            description=description,
            config=config,
            context=context,
            metadata=metadata,
        )
        if made is not None:
            return made
        if if_exists != "do_nothing":
            raise AlreadyExistsError("assistant", assistant_id)
        try:
            return await self.resolve(connection, assistant_id, scope=scope)
        except NotFoundError as error:  # somebody else's
            raise AlreadyExistsError("assistant", assistant_id) from error

    async def update(
        self,
        assistant_id: str,
        *,
        graph_id: str | None = None,
        name: str | None = None,
        description: str | None = None,
        config: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        scope: Scope | None = None,
    ) -> Assistant:
        """Change what is given, as a new version; metadata is merged, the rest replaced.

        Raises:
            InvalidValueError: no such graph.
            NotFoundError: no such assistant.
        """
        if graph_id is not None:
            self.registry.require(graph_id)
        assistant_id = self._id_of(assistant_id)
        async with self.database.transaction() as connection:
            await self._lock(connection, assistant_id, scope)
            cursor = await connection.execute(
                statement("update_assistant"),
                {
                    **self._parameters(assistant_id),
                    "graph_id": graph_id,
                    "name": name,
                    "description": description,
                    "config": None if config is None else jsonb(config),
                    "context": None if context is None else jsonb(context),
                    "metadata": jsonb(metadata or {}),
                },
            )
            (row,) = await cursor.fetchall()
            await connection.execute(
                statement("insert_assistant_version"), self._parameters(assistant_id)
            )
            return Assistant(**row)

    async def set_latest(
        self, assistant_id: str, version: int, *, scope: Scope | None = None
    ) -> Assistant:
        """Make a version the one that runs.

        Raises:
            NotFoundError: no such assistant, or no such version of it.
        """
        assistant_id = self._id_of(assistant_id)
        async with self.database.transaction() as connection:
            await self._lock(connection, assistant_id, scope)
            cursor = await connection.execute(
                statement("restore_assistant_version"),
                {**self._parameters(assistant_id), "version": version},
            )
            row = await cursor.fetchone()
            if row is None:
                raise NotFoundError("assistant version", f"{assistant_id}@{version}")
            return Assistant(**row)

    async def delete(
        self,
        connection: Connection,
        assistant_id: str,
        *,
        scope: Scope | None = None,
    ) -> None:
        """Remove an assistant, its versions and schedules, in the caller's transaction.

        Raises:
            NotFoundError: no such assistant.
            ConflictError: it is the own assistant of a graph that is served.
        """
        assistant_id = self._id_of(assistant_id)
        await self._lock(connection, assistant_id, scope)
        owners = {system_assistant_id(graph_id): graph_id for graph_id in self.registry.graph_ids}
        if assistant_id in owners:
            raise ConflictError(
                f"assistant {assistant_id!r} belongs to the graph {owners[assistant_id]!r};"
                " take the graph out of langgraph.json to remove it",
                graph_id=owners[assistant_id],
            )
        await connection.execute(
            statement("delete_crons_of_assistant"), self._parameters(assistant_id)
        )
        await connection.execute(statement("delete_assistant"), self._parameters(assistant_id))

    async def search(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        graph_id: str | None = None,
        name: str | None = None,
        limit: int = 10,
        offset: int = 0,
        sort_by: str = "created_at",
        sort_order: str = "desc",
        scope: Scope | None = None,
    ) -> Page[Assistant]:
        """Return assistants whose metadata contains `metadata` and whose name contains `name`."""
        parameters = self._filters(metadata, graph_id, name, scope)
        query = sorted_statement(
            "search_assistants",
            sort_by=sort_by,
            sort_order=sort_order,
            allowed=SORT_COLUMNS,
            tie="assistant_id",
        )
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                query, {**parameters, "limit": limit, "offset": offset}
            )
            rows = await cursor.fetchall()
        total = await self._count(parameters)
        return make_page([Assistant(**row) for row in rows], total=total, offset=offset)

    async def count(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        graph_id: str | None = None,
        name: str | None = None,
        scope: Scope | None = None,
    ) -> int:
        """Return how many assistants `search` would find."""
        return await self._count(self._filters(metadata, graph_id, name, scope))

    async def versions(
        self,
        assistant_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        scope: Scope | None = None,
    ) -> Sequence[Assistant]:
        """Return the versions of an assistant, newest first.

        Raises:
            NotFoundError: no such assistant.
        """
        async with self.database.pool.connection() as connection:
            assistant = await self.resolve(connection, assistant_id, scope=scope)
            cursor = await connection.execute(
                statement("list_assistant_versions"),
                {
                    **self._parameters(assistant.assistant_id),
                    "metadata": jsonb(metadata or {}),
                    "limit": limit,
                    "offset": offset,
                },
            )
            return [Assistant(**row) for row in await cursor.fetchall()]

    async def drawing(
        self, assistant_id: str, *, xray: bool | int = False, scope: Scope | None = None
    ) -> dict[str, Any]:
        """Return the graph's nodes and edges; `xray` opens subgraphs (to a depth, if a number)."""
        assistant = await self.get(assistant_id, scope=scope)
        async with self._graph(assistant) as graph:
            drawing: dict[str, Any] = (await graph.aget_graph(xray=xray)).to_json()
            return drawing

    async def schemas(self, assistant_id: str, *, scope: Scope | None = None) -> dict[str, Any]:
        """Return the JSON Schemas of the graph's input, output, state, config and context."""
        assistant = await self.get(assistant_id, scope=scope)
        async with self._graph(assistant) as graph:
            return graph_schemas(assistant.graph_id, graph)

    async def subgraphs(
        self,
        assistant_id: str,
        *,
        namespace: str | None = None,
        recurse: bool = False,
        scope: Scope | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Return the schemas of the graph's subgraphs, by namespace."""
        assistant = await self.get(assistant_id, scope=scope)
        async with self._graph(assistant) as graph:
            return {
                name: graph_schemas(name, cast("Graph", subgraph))
                async for name, subgraph in graph.aget_subgraphs(
                    namespace=namespace, recurse=recurse
                )
            }

    def _id_of(self, assistant_id: str) -> str:
        graphs = self.registry.project.graphs
        if assistant_id in graphs:
            self.registry.require(assistant_id)
            return system_assistant_id(assistant_id)
        try:
            return str(UUID(assistant_id))
        except ValueError as error:
            names = ", ".join(map(repr, graphs))
            raise InvalidValueError(
                "/assistant_id", f"an assistant's UUID or one of the graphs {names}", assistant_id
            ) from error

    def _graph(self, assistant: Assistant) -> AbstractAsyncContextManager[Graph]:
        return self.registry.graph(assistant.graph_id, assistant.config, access="assistants.read")

    async def _insert(
        self,
        connection: Connection,
        *,
        assistant_id: str,
        graph_id: str,
        name: str,
        description: str | None = None,
        config: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Assistant | None:
        cursor = await connection.execute(
            statement("insert_assistant"),
            {
                **self._parameters(assistant_id),
                "graph_id": graph_id,
                "name": name,
                "description": description,
                "config": jsonb(config or {}),
                "context": jsonb(context or {}),
                "metadata": jsonb(metadata or {}),
            },
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        await connection.execute(
            statement("insert_assistant_version"), self._parameters(assistant_id)
        )
        return Assistant(**row)

    async def _lock(self, connection: Connection, assistant_id: str, scope: Scope | None) -> None:
        cursor = await connection.execute(
            statement("lock_assistant"), self._parameters(assistant_id, scope)
        )
        if await cursor.fetchone() is None:
            raise NotFoundError("assistant", assistant_id)

    async def _count(self, parameters: Mapping[str, Any]) -> int:
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(statement("count_assistants"), parameters)
            (row,) = await cursor.fetchall()
            return int(row["total"])

    def _parameters(self, assistant_id: str, scope: Scope | None = None) -> dict[str, Any]:
        return {
            "tenant": self.database.tenant,
            "assistant_id": assistant_id,
            "scope": jsonb(scope or {}),
        }

    def _filters(
        self,
        metadata: Mapping[str, Any] | None,
        graph_id: str | None,
        name: str | None,
        scope: Scope | None,
    ) -> dict[str, Any]:
        return {
            "tenant": self.database.tenant,
            "metadata": jsonb(metadata or {}),
            "graph_id": graph_id,
            "name": name,
            "scope": jsonb(scope or {}),
        }
