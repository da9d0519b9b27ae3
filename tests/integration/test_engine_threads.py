import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.postgres.aio import AsyncPostgresStore

from engine.assistants import Assistants
from engine.audit import Audit
from engine.bus import open_bus
from engine.database import Database, open_database
from engine.dispatch.procrastinate import open_dispatcher
from engine.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidValueError,
    NotFoundError,
    ThreadBusyError,
)
from engine.gates.book import Gates
from engine.limits import QueueGuard
from engine.registry import Registry, load_registry
from engine.runs.ledger import Runs
from engine.runs.request import RunRequest
from engine.runs.run import PendingInterrupt
from engine.saver import RunSaver, attached
from engine.state_wire import selected
from engine.thread import Thread, Ttl
from engine.thread_state import Place, ThreadStates
from engine.threads import Threads

GRAPHS = Path(__file__).resolve().parents[1] / "graphs"


@dataclass
class Services:
    """The parts of the engine that threads need, on one real database."""

    database: Database
    registry: Registry
    gates: Gates
    runs: Runs
    threads: Threads
    states: ThreadStates
    audit: Audit

    async def create(self, **options: Any) -> str:
        async with self.database.transaction() as connection:
            thread, _ = await self.threads.create(connection, **options)
        return thread.thread_id

    async def copy(self, thread_id: str, **options: Any) -> Thread:
        async with self.database.transaction() as connection:
            return await self.threads.copy(connection, thread_id, **options)

    async def run(self, thread_id: str, value: Any, graph_id: str = "nested") -> None:
        """Do what a worker does, without one: run the graph and write down how it ended."""
        run = await self.runs.create(
            RunRequest(assistant_id=graph_id, thread_id=thread_id, input=value)
        )
        config: Any = {"configurable": {"thread_id": thread_id}, "metadata": {"run_id": run.run_id}}
        async with (
            self.database.pool.connection() as connection,
            self.registry.graph(graph_id) as graph,
        ):
            ready = attached(graph, RunSaver(connection), None)
            await ready.ainvoke(value, config, durability="sync")
            snapshot = await ready.aget_state(config)
        pending = [
            PendingInterrupt(
                interrupt_id=interrupt.id,
                value=interrupt.value,
                node=task.name,
                task_id=task.id,
                checkpoint_id=snapshot.config["configurable"]["checkpoint_id"],
            )
            for task in snapshot.tasks
            for interrupt in task.interrupts
        ]
        async with self.database.transaction() as connection:
            await connection.execute(
                "UPDATE holdfast.runs SET status = 'running' WHERE run_id = %s", [run.run_id]
            )
            await connection.execute(
                "UPDATE holdfast.runs SET status = 'succeeded', finished_at = clock_timestamp()"
                " WHERE run_id = %s",
                [run.run_id],
            )
            await self.gates.record_pending(connection, run, pending)
            await connection.execute(
                "UPDATE holdfast.threads SET status = %s WHERE thread_id = %s",
                ["interrupted" if pending else "idle", thread_id],
            )

    async def rows(self, table: str, thread_id: str) -> int:
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                f"SELECT count(*) AS n FROM {table} WHERE thread_id = %s", [thread_id]
            )
            (row,) = await cursor.fetchall()
        return int(row["n"])


@pytest.fixture
async def services(migrated_database: str) -> AsyncIterator[Services]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            open_database(migrated_database, max_connections=8)
        )
        bus = await stack.enter_async_context(open_bus(database))
        dispatcher = await stack.enter_async_context(open_dispatcher(database))
        store = await stack.enter_async_context(
            AsyncPostgresStore.from_conn_string(migrated_database)
        )
        registry = await load_registry(GRAPHS / "langgraph.json")
        audit = Audit(database=database)
        assistants = Assistants(database=database, registry=registry)
        await assistants.add_system_assistants()
        gates = Gates(database=database, audit=audit, bus=bus)
        runs = Runs(
            database=database,
            dispatcher=dispatcher,
            bus=bus,
            assistants=assistants,
            gates=gates,
            audit=audit,
            guard=QueueGuard(database=database),
        )
        threads = Threads(database=database, bus=bus, audit=audit, runs=runs, gates=gates)
        states = ThreadStates(threads=threads, registry=registry, store=store)
        yield Services(
            database=database,
            registry=registry,
            gates=gates,
            runs=runs,
            threads=threads,
            states=states,
            audit=audit,
        )


# Rows


async def test_a_taken_id_is_refused_or_returned_as_asked(services: Services) -> None:
    await services.create(thread_id="t", metadata={"a": 1})

    with pytest.raises(AlreadyExistsError):
        await services.create(thread_id="t")
    async with services.database.transaction() as connection:
        thread, made = await services.threads.create(
            connection, thread_id="t", if_exists="do_nothing", metadata={"b": 2}
        )

    assert (thread.metadata, made) == ({"a": 1}, False)


async def test_a_thread_of_somebody_else_is_taken_but_not_shown(services: Services) -> None:
    await services.create(thread_id="t", metadata={"owner": "ada"})

    async with services.database.transaction() as connection:
        with pytest.raises(AlreadyExistsError):
            await services.threads.create(
                connection, thread_id="t", if_exists="do_nothing", scope={"owner": "bob"}
            )


async def test_search_filters_by_everything_that_is_given(services: Services) -> None:
    wanted = await services.create(metadata={"team": {"name": "x"}, "n": 1})
    await services.create(metadata={"team": {"name": "y"}, "n": 1})
    await services.run(wanted, {"text": "hello"}, "echo")
    async with services.database.transaction() as connection:
        await connection.execute(
            """UPDATE holdfast.threads SET "values" = '{"text": "hello"}' WHERE thread_id = %s""",
            [wanted],
        )

    page = await services.threads.search(
        metadata={"team": {"name": "x"}}, values={"text": "hello"}, status="idle", ids=[wanted, "z"]
    )
    other = await services.threads.search(metadata={"team": {"name": "x"}}, status="error")

    assert [thread.thread_id for thread in page.items] == [wanted]
    assert page.items[0].values == {"text": "hello"}
    assert page.total == 1
    assert other.items == []


async def test_search_sorts_and_pages(services: Services) -> None:
    for name in ("b", "a", "c"):
        await services.create(thread_id=name)

    first = await services.threads.search(sort_by="thread_id", sort_order="asc", limit=2)
    second = await services.threads.search(
        sort_by="thread_id", sort_order="asc", limit=2, offset=first.next_offset or 0
    )

    assert [thread.thread_id for thread in first.items] == ["a", "b"]
    assert [thread.thread_id for thread in second.items] == ["c"]
    assert (first.total, first.next_offset, second.next_offset) == (3, 2, None)


async def test_an_unknown_column_to_sort_by_is_refused(services: Services) -> None:
    with pytest.raises(InvalidValueError, match="/sort_by"):
        await services.threads.search(sort_by="values; DROP TABLE x")


async def test_metadata_is_merged(services: Services) -> None:
    thread_id = await services.create(metadata={"a": 1, "b": 1})

    thread = await services.threads.update(thread_id, metadata={"b": 2})

    assert thread.metadata == {"a": 1, "b": 2}


async def test_a_scope_hides_threads(services: Services) -> None:
    thread_id = await services.create(metadata={"owner": "ada"})
    bob = {"owner": "bob"}

    for refused in (
        services.threads.get(thread_id, scope=bob),
        services.threads.update(thread_id, scope=bob),
        services.threads.delete(thread_id, scope=bob),
        services.copy(thread_id, scope=bob),
        services.states.get(thread_id, scope=bob),
        services.states.update(thread_id, {}, scope=bob),
    ):
        with pytest.raises(NotFoundError):
            await refused

    assert await services.threads.count(scope=bob) == 0


# Time to live


async def test_only_threads_that_nobody_uses_or_waits_for_expire(services: Services) -> None:
    idle = await services.create(ttl=Ttl(minutes=1))
    used = await services.create(ttl=Ttl(minutes=1))
    waiting = await services.create(ttl=Ttl(minutes=1, strategy="keep_latest"))
    await services.run(waiting, {"text": "ok?"})
    async with services.database.transaction() as connection:
        await connection.execute(
            "UPDATE holdfast.threads SET expires_at = expires_at - interval '1 hour',"
            " updated_at = updated_at - interval '1 hour',"
            " state_updated_at = state_updated_at - interval '1 hour'"
        )
    await services.threads.update(used, metadata={"seen": True})

    assert await services.threads.expired(limit=10) == [(idle, "delete")]


async def test_a_thinned_thread_lives_for_its_time_again(services: Services) -> None:
    thread_id = await services.create(ttl=Ttl(minutes=1, strategy="keep_latest"))
    async with services.database.transaction() as connection:
        await connection.execute(
            "UPDATE holdfast.threads SET expires_at = expires_at - interval '1 hour',"
            " updated_at = updated_at - interval '1 hour',"
            " state_updated_at = state_updated_at - interval '1 hour'"
        )
    assert await services.threads.expired(limit=10) == [(thread_id, "keep_latest")]

    await services.threads.renew([thread_id])

    assert await services.threads.expired(limit=10) == []


# Delete and copy


async def test_deleting_leaves_nothing_but_the_log(services: Services) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "ok?"})

    await services.threads.delete(thread_id, actor="ada")

    for table in (
        "checkpoints",
        "checkpoint_blobs",
        "checkpoint_writes",
        "holdfast.threads",
        "holdfast.runs",
        "holdfast.gates",
    ):
        assert await services.rows(table, thread_id) == 0, table
    actions = [entry.action for entry in await services.audit.list(thread_id=thread_id)]
    assert actions[0] == "thread.deleted"
    assert "gate.cancelled" in actions


async def test_deleting_waits_for_the_worker_to_let_go(services: Services) -> None:
    thread_id = await services.create()
    worker = await services.database.connect(application_name="worker")
    await worker.execute(
        "SELECT pg_advisory_lock(hashtextextended('default:' || %s, 0))", [thread_id]
    )

    deleting = asyncio.create_task(services.threads.delete(thread_id))
    async with services.database.pool.connection() as connection:
        while True:
            cursor = await connection.execute(
                "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            )
            (row,) = await cursor.fetchall()
            if row["n"]:
                break
    assert await services.rows("holdfast.threads", thread_id) == 1
    await worker.close()
    await deleting

    assert await services.rows("holdfast.threads", thread_id) == 0


async def test_a_copy_has_all_rows_values_and_open_questions(services: Services) -> None:
    thread_id = await services.create(metadata={"a": 1})
    await services.run(thread_id, {"text": "ok?"})

    copied = await services.copy(thread_id)

    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        assert await services.rows(table, copied.thread_id) == await services.rows(table, thread_id)
    original = await services.states.get(thread_id, subgraphs=True)
    twin = await services.states.get(copied.thread_id, subgraphs=True)
    assert twin["values"] == original["values"]
    assert twin["next"] == original["next"] == ["child"]
    assert [i["id"] for i in twin["interrupts"]] == [i["id"] for i in original["interrupts"]]
    async with services.database.transaction() as connection:
        (gate,) = await services.gates.live(connection, copied.thread_id)
        (asked,) = await services.gates.live(connection, thread_id)
    assert gate.gate_id != asked.gate_id
    assert gate.interrupt_id == asked.interrupt_id
    assert (copied.status, copied.metadata["a"]) == ("interrupted", 1)


async def test_the_copys_question_can_be_answered_alone(services: Services) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "ok?"})
    copied = await services.copy(thread_id)

    run = await services.runs.create(
        RunRequest(assistant_id="nested", thread_id=copied.thread_id, command={"resume": "yes"})
    )

    assert run.kind == "resume"
    async with services.database.transaction() as connection:
        assert len(await services.gates.live(connection, thread_id)) == 1

    # Nor by two writes: one that withdraws the question, one that answers for the node.
    await services.states.update(thread_id, None, as_node="__end__")
    with pytest.raises(ConflictError, match="asks people"):
        await services.states.update(thread_id, {"answer": "yes"}, as_node="child")


async def test_a_thread_at_work_is_not_copied(services: Services) -> None:
    thread_id = await services.create()
    async with services.threads.held(thread_id):
        with pytest.raises(ThreadBusyError):
            await services.copy(thread_id)


async def test_storage_is_told_by_section_and_channel(services: Services) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "x" * 9_000}, "echo")

    storage = await services.threads.storage(thread_id)

    assert storage.checkpoints[0] == 3
    assert "__start__" in storage.by_channel
    assert storage.total_bytes > 0
    assert storage.channel_values == (
        sum(versions for versions, _ in storage.by_channel.values()),
        sum(size for _, size in storage.by_channel.values()),
    )


# State


async def test_a_thread_that_never_ran_has_an_empty_state(services: Services) -> None:
    thread_id = await services.create()

    state = await services.states.get(thread_id)

    assert (state["values"], state["next"], state["checkpoint"]) == (None, [], None)
    assert await services.states.history(thread_id) == []


async def test_a_state_names_its_checkpoint_tasks_and_interrupts(services: Services) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "ok?"})

    state = await services.states.get(thread_id, subgraphs=True)

    (task,) = state["tasks"]
    assert state["values"] == {"text": "ok?"}
    assert state["interrupts"] == task["interrupts"]
    assert task["interrupts"][0]["value"] == {"question": "ok?"}
    assert task["state"]["next"] == ["ask"]
    assert task["checkpoint"]["checkpoint_ns"] == f"child:{task['id']}"
    assert state["checkpoint"]["thread_id"] == thread_id
    assert state["checkpoint_id"] == state["checkpoint"]["checkpoint_id"]
    assert state["parent_checkpoint"] is not None


async def test_an_earlier_state_and_a_subgraphs_state_can_be_read(services: Services) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "ok?"})
    newest, oldest = await services.states.history(thread_id)
    (task,) = newest["tasks"]

    earlier = await services.states.get(thread_id, Place(checkpoint_id=oldest["checkpoint_id"]))
    inner = await services.states.get(
        thread_id, Place(checkpoint_ns=task["checkpoint"]["checkpoint_ns"])
    )

    assert earlier == oldest
    assert inner["next"] == ["ask"]


async def test_a_checkpoint_that_does_not_exist_is_not_found(services: Services) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "ok?"})
    gone = Place(checkpoint_id="1f000000-0000-6000-8000-000000000000")

    with pytest.raises(NotFoundError, match="checkpoint"):
        await services.states.get(thread_id, gone)
    with pytest.raises(NotFoundError, match="checkpoint"):
        await services.states.update(thread_id, {"text": "x"}, place=gone)
    with pytest.raises(NotFoundError, match="subgraph"):
        await services.states.get(thread_id, Place(checkpoint_ns="absent:1"))

    assert (await services.states.get(thread_id))["values"] == {"text": "ok?"}


async def test_history_can_be_limited_filtered_and_continued(services: Services) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "a"}, "echo")
    everything = await services.states.history(thread_id)

    newest = await services.states.history(thread_id, limit=1)
    older = await services.states.history(
        thread_id, before=Place(checkpoint_id=newest[0]["checkpoint_id"])
    )
    inputs = await services.states.history(thread_id, metadata={"source": "input"})

    assert newest + older == everything
    assert [state["metadata"]["source"] for state in inputs] == ["input"]


async def test_an_update_becomes_the_state_and_the_list_entry(services: Services) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "a"}, "echo")

    answer = await services.states.update(thread_id, {"text": "b"}, actor="ada")

    state = await services.states.get(thread_id)
    thread = await services.threads.get(thread_id)
    (entry, *_) = await services.audit.list(thread_id=thread_id)
    assert state["values"]["text"] == thread.values["text"] == "b"
    assert answer["checkpoint"] == state["checkpoint"]
    assert (entry.action, entry.actor) == ("state.updated", "ada")
    assert entry.details["channels"] == ["text"]


async def test_a_fork_from_an_earlier_checkpoint_becomes_the_head(services: Services) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "a"}, "echo")
    oldest = (await services.states.history(thread_id))[-1]

    await services.states.update(
        thread_id, {"text": "b"}, place=Place(checkpoint_id=oldest["checkpoint_id"]), as_node="echo"
    )

    state = await services.states.get(thread_id)
    assert state["values"] == {"text": "b"}
    assert state["parent_checkpoint_id"] == oldest["checkpoint_id"]


async def test_ignoring_a_question_ends_the_thread_and_is_logged(services: Services) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "ok?"})

    await services.states.update(thread_id, None, as_node="__end__", actor="ada", via="api")

    state = await services.states.get(thread_id)
    thread = await services.threads.get(thread_id)
    assert (state["next"], thread.status, thread.interrupts) == ([], "idle", {})
    async with services.database.transaction() as connection:
        assert await services.gates.live(connection, thread_id) == []
    entries = await services.audit.list(thread_id=thread_id)
    withdrawn = next(entry for entry in entries if entry.action == "state.updated")
    assert withdrawn.actor == "ada"
    assert len(withdrawn.details["withdrawn_gates"]) == 1


async def test_nobody_can_write_for_a_node_that_asks_people(services: Services) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "ok?"})

    with pytest.raises(ConflictError, match="asks people"):
        await services.states.update(thread_id, {"answer": "yes"}, as_node="child")

    async with services.database.transaction() as connection:
        assert len(await services.gates.live(connection, thread_id)) == 1


@pytest.mark.parametrize(
    ("values", "as_node"),
    [({"text": "b"}, "absent"), ("text", "echo"), ({"text": float("nan")}, None)],
)
async def test_an_update_that_the_graph_cannot_take_changes_nothing(
    services: Services, values: Any, as_node: str | None
) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "a"}, "echo")
    before = await services.states.history(thread_id)

    with pytest.raises(InvalidValueError):
        await services.states.update(thread_id, values, as_node=as_node)

    assert await services.states.history(thread_id) == before


async def test_a_thread_at_work_cannot_be_updated(services: Services) -> None:
    thread_id = await services.create()
    await services.run(thread_id, {"text": "a"}, "echo")

    async with services.threads.held(thread_id):
        with pytest.raises(ThreadBusyError):
            await services.states.update(thread_id, {"text": "b"})


async def test_a_thread_without_a_graph_cannot_be_updated(services: Services) -> None:
    thread_id = await services.create()

    with pytest.raises(ConflictError, match="no graph yet"):
        await services.states.update(thread_id, {"text": "b"})


async def test_supersteps_build_a_past(services: Services) -> None:
    async with services.database.transaction() as connection:
        thread, _ = await services.threads.create(connection, metadata={"graph_id": "echo"})
        await services.states.apply_supersteps(
            connection,
            thread,
            [
                {"updates": [{"values": {"text": "a"}, "as_node": "__input__"}]},
                {"updates": [{"values": {"text": "b"}, "as_node": "echo"}]},
            ],
        )

    states = await services.states.history(thread.thread_id)
    assert [state["metadata"]["source"] for state in states] == ["update", "input"]
    assert states[0]["values"] == {"text": "b"}
    assert (await services.threads.get(thread.thread_id)).values == {"text": "b"}


def test_fields_of_a_state_are_picked() -> None:
    state = {"values": {"a": 1, "b": 2}, "next": ["n"], "tasks": []}

    assert selected(state, ["values.a", "next"]) == {"values": {"a": 1}, "next": ["n"]}
    assert selected(state, None) == state
    with pytest.raises(InvalidValueError):
        selected(state, ["metadata.x"])
