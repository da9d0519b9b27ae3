"""The pruner as an application meets it that knows only LangGraph and the two public faces."""

import operator
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from threading import Thread
from typing import Annotated, Any

import psycopg
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt
from typing_extensions import TypedDict

from checkpoint_pruner import Policy, sweep
from checkpoint_pruner.guard import install_guard

Graph = Any  # a compiled graph; LangGraph's type has four parameters that say nothing here
NOW = timedelta(0)
THREAD: RunnableConfig = {"configurable": {"thread_id": "t"}}


class Notes(TypedDict, total=False):
    """What the graphs of these tests remember; `doc` is only as safe as its one stored value."""

    log: Annotated[list[str], operator.add]
    doc: dict[str, str]


class Log(TypedDict, total=False):
    """What subgraphs hand back."""

    log: Annotated[list[str], operator.add]


@pytest.fixture
def saver(checkpoint_database: str) -> Iterator[PostgresSaver]:
    """Open LangGraph's own saver."""
    with PostgresSaver.from_conn_string(checkpoint_database) as saver:
        yield saver


def note(name: str, _: Notes) -> Notes:
    return {"log": [name]}


def behind(kind: str, last: Callable[[Notes], Notes]) -> StateGraph[Any]:
    """Return a graph that comes to its last node by a certain way."""
    builder = StateGraph(Notes)
    builder.add_node("a", partial(note, "a"))
    builder.add_edge(START, "a")
    if kind == "stateful subgraph":
        inner = StateGraph(Notes, output_schema=Log)
        inner.add_node("before", partial(note, "before"))
        inner.add_node("last", last)
        inner.add_edge(START, "before")
        inner.add_edge("before", "last")
        builder.add_node("inner", inner.compile(checkpointer=True))
        builder.add_edge("a", "inner")
        return builder
    builder.add_node("last", last, defer=kind == "deferred node")
    if kind == "join":
        builder.add_node("b", partial(note, "b"))
        builder.add_edge(START, "b")
        builder.add_edge(["a", "b"], "last")
    elif kind == "send":
        builder.add_conditional_edges("a", lambda _: [Send("last", {"log": []})], ["last"])
    else:
        builder.add_edge("a", "last")
    return builder


def values_in(url: str, namespace: str) -> set[str]:
    """Return the channels whose values the newest checkpoint of a namespace has in store."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT b.channel
            FROM (
                SELECT *
                FROM checkpoints
                WHERE checkpoint_ns = %s
                ORDER BY checkpoint_id DESC
                LIMIT 1
            ) AS c
            JOIN checkpoint_blobs AS b USING (thread_id, checkpoint_ns)
            WHERE c.checkpoint -> 'channel_versions' ->> b.channel = b.version
            """,
            [namespace],
        )
        return {channel for (channel,) in cursor}


@pytest.mark.parametrize("kind", ["edge", "join", "deferred node", "stateful subgraph"])
def test_a_run_that_was_overtaken_inside_its_last_node_keeps_what_it_had_loaded(
    checkpoint_database: str, saver: PostgresSaver, kind: str
) -> None:
    def overtaken(state: Notes) -> Notes:
        if state["doc"]["of"] == "slow":
            # A thread, so that these count as runs of their own and not as calls of this node.
            other = Thread(target=overtake)
            other.start()
            other.join()
        return {"log": ["last"]}

    def overtake() -> None:
        for turn in range(3):
            graph.invoke({"doc": {"of": f"quick {turn}"}}, THREAD, durability="sync")
        sweep(checkpoint_database, Policy(keep_last=1))

    graph: Graph = behind(kind, overtaken).compile(checkpointer=saver)

    graph.invoke({"doc": {"of": "slow"}}, THREAD, durability="sync")

    namespace = "inner" if kind == "stateful subgraph" else ""
    assert "doc" in values_in(checkpoint_database, namespace)


@pytest.mark.parametrize("updated", [False, True], ids=["paused", "updated by hand"])
@pytest.mark.parametrize("kind", ["edge", "join", "deferred node", "send"])
def test_a_thread_with_a_step_to_do_does_not_expire(
    checkpoint_database: str, saver: PostgresSaver, kind: str, updated: bool
) -> None:
    builder = behind(kind, partial(note, "last"))
    graph: Graph = builder.compile(checkpointer=saver, interrupt_before=["last"])
    graph.invoke({"doc": {"of": "one"}}, THREAD)
    if updated:
        graph.update_state(THREAD, {"log": ["by hand"]}, as_node="a")

    report = sweep(checkpoint_database, Policy(expire_after=timedelta(microseconds=1), settle=NOW))

    assert report.threads_expired == ()
    assert graph.get_state(THREAD).next == ("last",)


@pytest.mark.parametrize("kind", ["edge", "join", "deferred node", "send"])
def test_a_thread_that_has_taken_its_last_step_expires(
    checkpoint_database: str, saver: PostgresSaver, kind: str
) -> None:
    graph: Graph = behind(kind, partial(note, "last")).compile(checkpointer=saver)
    graph.invoke({"doc": {"of": "one"}}, THREAD)
    graph.update_state(THREAD, {"log": ["by hand"]}, as_node="last")

    report = sweep(checkpoint_database, Policy(expire_after=timedelta(microseconds=1), settle=NOW))

    assert report.threads_expired == ("t",)


def test_the_guard_lets_a_checkpoint_be_copied_whose_parent_was_pruned(
    checkpoint_database: str, saver: PostgresSaver
) -> None:
    install_guard(checkpoint_database)
    graph: Graph = behind("edge", partial(note, "last")).compile(checkpointer=saver)
    graph.invoke({"doc": {"of": "one"}}, THREAD)
    graph.update_state(THREAD, {"log": ["by hand"]}, as_node="a")
    sweep(checkpoint_database, Policy(keep_last=1, settle=NOW))

    copy = graph.update_state(THREAD, None, as_node="__copy__")

    assert graph.get_state(copy).values["doc"] == {"of": "one"}


@pytest.fixture
def asked(checkpoint_database: str, saver: PostgresSaver) -> tuple[Graph, list[str]]:
    """Return a graph whose stateful subgraph has a question open in a call of its own, and a trace.

    The root has been updated three times since, and pruned down to one checkpoint.
    """
    trace: list[str] = []

    def prepare(_: Notes) -> Notes:
        trace.append("prepare")
        return {"log": ["prepared"]}

    def ask(_: Notes) -> Notes:
        return {"log": [interrupt("may I?")]}

    call = StateGraph(Notes, output_schema=Log)
    call.add_sequence([("prepare", prepare), ("ask", ask)])
    call.add_edge(START, "prepare")
    memory = StateGraph(Notes, output_schema=Log)
    memory.add_node("call", call.compile())
    memory.add_edge(START, "call")
    root = StateGraph(Notes)
    root.add_sequence([("a", partial(note, "a")), ("memory", memory.compile(checkpointer=True))])
    root.add_edge(START, "a")
    graph: Graph = root.compile(checkpointer=saver)
    graph.invoke({"doc": {"of": "one"}}, THREAD)
    for turn in range(3):
        graph.update_state(THREAD, {"log": [f"update {turn}"]}, as_node="a")
    return graph, trace


def test_a_question_inside_a_stateful_subgraph_outlives_updates_of_the_root(
    checkpoint_database: str, asked: tuple[Graph, list[str]]
) -> None:
    graph, trace = asked
    sweep(checkpoint_database, Policy(keep_last=1, keep_gates=False, settle=NOW))

    graph.invoke(Command(resume="yes"), THREAD)

    assert trace == ["prepare"]


def test_the_way_to_an_open_question_in_a_stateful_subgraph_leads_by_no_pruned_checkpoint(
    checkpoint_database: str, asked: tuple[Graph, list[str]]
) -> None:
    graph, _ = asked
    sweep(checkpoint_database, Policy(keep_last=1, settle=NOW))

    (task,) = graph.get_state(THREAD, subgraphs=True).tasks

    ways = task.state.config["configurable"]["checkpoint_map"].values()
    with psycopg.connect(checkpoint_database) as connection:
        rows = connection.execute("SELECT checkpoint_id FROM checkpoints").fetchall()
    assert set(ways) <= {checkpoint_id for (checkpoint_id,) in rows}


def gather(state: list[str], writes: list[list[str]]) -> list[str]:
    return [*state, *(item for write in writes for item in write)]


class Delta(TypedDict, total=False):
    """A channel that is stored as differences."""

    log: Annotated[list[str], DeltaChannel(gather)]


class Bare(TypedDict, total=False):
    """The same graph in a release that has not got the channel."""

    doc: dict[str, str]


def test_a_delta_channel_survives_a_release_without_it(
    checkpoint_database: str, saver: PostgresSaver
) -> None:
    with_channel: Graph = (
        StateGraph(Delta).add_node("a", partial(note, "a")).add_edge(START, "a")
    ).compile(checkpointer=saver)
    without: Graph = (StateGraph(Bare).add_node("a", lambda _: {}).add_edge(START, "a")).compile(
        checkpointer=saver
    )
    with_channel.invoke({"log": ["hello"]}, THREAD)
    for _ in range(3):
        without.invoke({"doc": {"of": "one"}}, THREAD)

    sweep(checkpoint_database, Policy(keep_last=2, settle=NOW))

    assert with_channel.get_state(THREAD).values["log"] == ["hello", "a"]


def test_thinning_again_removes_nothing_from_forked_history(
    checkpoint_database: str, saver: PostgresSaver
) -> None:
    graph: Graph = behind("edge", partial(note, "last")).compile(checkpointer=saver)
    for turn in range(3):
        graph.invoke({"doc": {"of": f"turn {turn}"}}, THREAD)
    for past in list(graph.get_state_history(THREAD))[1:8:3]:
        graph.invoke(None, graph.update_state(past.config, {"log": ["fork"]}, as_node="a"))
    policy = Policy(keep_last=1, thin_older=True, settle=NOW)
    sweep(checkpoint_database, policy)

    again = sweep(checkpoint_database, policy)

    assert again.total_rows == 0


def test_a_subgraph_that_saved_before_its_caller_keeps_what_a_replay_begins_with(
    checkpoint_database: str, saver: PostgresSaver
) -> None:
    due: list[str] = []

    class LateSaver(PostgresSaver):
        """A sweep comes when the subgraph has saved and its caller has not."""

        def put(self, config: RunnableConfig, *rest: Any) -> RunnableConfig:
            if config["configurable"]["checkpoint_ns"] == "" and due:
                sweep(checkpoint_database, Policy(keep_last=1), threads=[due.pop()])
            return super().put(config, *rest)

    def ask(state: Notes) -> Notes:
        interrupt(state["log"])
        return {}

    inner = StateGraph(Notes, output_schema=Log)
    inner.add_node("remember", lambda state: {"log": [state["doc"]["turn"]]})
    inner.add_node("ask", ask)
    inner.add_edge(START, "remember")
    inner.add_edge("remember", "ask")
    outer = StateGraph(Notes)
    outer.add_node("inner", inner.compile(checkpointer=True))
    outer.add_edge(START, "inner")
    graph: Graph = outer.compile(checkpointer=LateSaver(saver.conn))

    def replayed(thread_id: str, *, swept: bool) -> list[Any]:
        thread = {"configurable": {"thread_id": thread_id}}
        for turn in ("1", "2", "3", "4", "5"):
            if swept and turn == "3":
                due.append(thread_id)
            graph.invoke({"doc": {"turn": turn}}, thread, durability="exit")
        _, older, *_ = graph.get_state_history(thread)
        asked = graph.invoke(None, older.config, durability="exit")["__interrupt__"]
        return [question.value for question in asked]

    assert replayed("swept", swept=True) == replayed("unswept", swept=False)
