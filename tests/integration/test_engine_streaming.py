"""A run's events are those that the Agent Server's clients expect."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import RunControl
from langgraph.stream.transformers import UpdatesTransformer

from engine.streaming import (
    Outcome,
    StreamEvent,
    StreamOptions,
    error_event,
    graph_input,
    run_graph,
)

NESTED = runpy.run_path(str(Path(__file__).parents[1] / "graphs" / "nested.py"))
TALK = runpy.run_path(str(Path(__file__).parents[1] / "graphs" / "talk.py"))
RUN_ID = "1f0a1b2c-0000-4000-8000-000000000001"


class Session:
    """One thread of the `talk` graph, run again and again."""

    def __init__(self, **compile_options: Any) -> None:
        self.graph = TALK["graph"].compile(checkpointer=InMemorySaver(), **compile_options)
        self.outcome = Outcome()

    async def run(
        self,
        payload: dict[str, Any],
        *modes: str,
        wanted: bool = True,
        control: RunControl | None = None,
        **options: Any,
    ) -> list[StreamEvent]:
        self.outcome = Outcome()
        events = run_graph(
            self.graph,
            run_id=RUN_ID,
            attempt=1,
            payload=payload,
            config={"configurable": {"thread_id": "t"}},
            options=StreamOptions(modes=modes, **options),
            control=control,
            outcome=self.outcome,
            wanted=lambda: wanted,
        )
        return [event async for event in events]


@pytest.fixture
def session() -> Session:
    return Session()


@tool
def double(number: int) -> int:
    """Double a number."""
    return 2 * number


def tool_graph() -> StateGraph:
    builder = StateGraph(MessagesState).add_node("tools", ToolNode([double]))
    return builder.add_edge(START, "tools").add_edge("tools", END)


def said(**more: Any) -> dict[str, Any]:
    return {"input": {"messages": [HumanMessage("hello", id="h")], **more}}


def names(events: list[StreamEvent]) -> list[str]:
    return [event.event for event in events]


def data(events: list[StreamEvent], name: str) -> list[Any]:
    return [json.loads(event.data) for event in events if event.event == name]


async def test_the_first_event_names_the_run_and_the_attempt(session):
    events = await session.run(said(), "values")

    assert events[0] == StreamEvent("metadata", f'{{"run_id":"{RUN_ID}","attempt":1}}')


async def test_values_are_the_whole_state_after_each_step(session):
    events = await session.run(said(), "values")

    states = data(events, "values")
    assert [len(state["messages"]) for state in states] == [1, 2, 2]
    assert states[-1]["outcome"] == "unasked"
    assert states[0]["messages"][0]["type"] == "human"


async def test_updates_carry_the_nodes_name(session):
    events = await session.run(said(), "updates")

    assert [list(update) for update in data(events, "updates")] == [
        ["draft"],
        ["review"],
        ["publish"],
    ]


async def test_an_interrupt_ends_values_and_updates_with_id_value_and_schema(session):
    events = await session.run(said(ask=True, amount=2.5), "values", "updates")

    (question,) = data(events, "values")[-1]["__interrupt__"]
    assert data(events, "updates")[-1] == {"__interrupt__": [question]}
    assert question["value"] == {"question": "publish?", "amount": 2.5}
    assert question["response_schema"]["required"] == ["approved"]
    assert len(question["id"]) == 32


async def test_a_stop_before_a_node_is_an_interrupt_without_questions(session):
    events = await session.run(said(), "updates", interrupt_before=("publish",))

    assert data(events, "updates")[-1] == {"__interrupt__": []}


async def test_message_tuples_stream_token_by_token_and_are_never_namespaced(session):
    events = await session.run(said(), "messages-tuple", subgraphs=True)

    chunks = data(events, "messages")
    assert "".join(chunk["content"] for chunk, _ in chunks) == "one two three"
    assert chunks[0][0]["type"] == "AIMessageChunk"
    assert chunks[-1][0]["chunk_position"] == "last"
    assert chunks[0][1]["langgraph_node"] == "write"


async def test_messages_grow_from_partial_to_partial(session):
    events = await session.run(said(), "messages", subgraphs=True)

    (first,) = data(events, "messages/metadata")
    partials = [message["content"] for (message,) in data(events, "messages/partial")]
    assert names(events)[1:3] == ["messages/metadata", "messages/partial"]
    assert first["reply-1"]["metadata"]["langgraph_node"] == "write"
    assert partials == ["one", "one ", "one two", "one two ", "one two three"]


async def test_tuples_win_when_both_kinds_of_messages_are_asked_for(session):
    events = await session.run(said(), "messages", "messages-tuple", subgraphs=True)

    assert set(names(events)) == {"metadata", "messages"}


async def test_events_of_subgraphs_carry_their_namespace(session):
    events = await session.run(said(), "updates", "custom", subgraphs=True)

    inner = [event.event for event in events if "|" in event.event]
    assert {name.partition(":")[0] for name in inner} == {"updates|draft", "custom|draft"}


async def test_without_subgraphs_only_the_roots_events_come(session):
    events = await session.run(said(), "updates", "tasks")

    assert not [name for name in names(events) if "|" in name]


async def test_custom_data_is_sent_as_it_was_written(session):
    events = await session.run(said(), "custom", subgraphs=True)

    assert json.loads(events[-1].data) == {"progress": 50}


async def test_tasks_begin_and_end(session):
    events = await session.run(said(), "tasks")

    tasks = data(events, "tasks")
    assert [("input" in task, "result" in task) for task in tasks[:2]] == [
        (True, False),
        (False, True),
    ]
    assert tasks[0]["id"] == tasks[1]["id"]


async def test_checkpoints_name_what_comes_next(session):
    events = await session.run(said(), "checkpoints")

    assert [point["next"] for point in data(events, "checkpoints")] == [
        ["__start__"],
        ["draft"],
        ["review"],
        ["publish"],
        [],
    ]


async def test_debug_events_can_be_forked_from(session):
    events = await session.run(said(), "debug")

    points = [item["payload"] for item in data(events, "debug") if item["type"] == "checkpoint"]
    assert points[0]["parent_checkpoint"] is None
    assert points[1]["parent_checkpoint"] == points[0]["checkpoint"]
    assert set(points[0]["checkpoint"]) == {"thread_id", "checkpoint_id", "checkpoint_ns"}


async def test_the_life_of_a_subgraph_is_told_without_its_other_events(session):
    events = await session.run(said(), "lifecycle", "updates")

    lives = [json.loads(event.data) for event in events if event.event.startswith("lifecycle|")]
    assert [life["event"] for life in lives] == ["started", "completed"]
    assert lives[0]["namespace"][0].startswith("draft:")
    assert not [name for name in names(events) if name.startswith("updates|")]


async def test_a_subgraph_that_stops_at_a_question_is_interrupted():
    session = Session()
    session.graph = NESTED["graph"].compile(checkpointer=InMemorySaver())
    events = await session.run({"input": {"text": "why"}}, "lifecycle")

    lives = [json.loads(event.data)["event"] for event in events if "|" in event.event]
    assert lives == ["started", "interrupted"]


async def test_tool_calls_are_told_in_the_clients_words():
    session = Session()
    session.graph = tool_graph().compile(checkpointer=InMemorySaver())
    call = {"name": "double", "args": {"number": 2}, "id": "c1", "type": "tool_call"}
    asked = AIMessage("", tool_calls=[call])
    events = await session.run({"input": {"messages": [asked]}}, "tools")

    started, ended = data(events, "tools")
    assert started == {
        "event": "on_tool_start",
        "toolCallId": "c1",
        "name": "double",
        "input": {"number": 2},
    }
    assert (ended["event"], ended["name"]) == ("on_tool_end", "double")


async def test_callback_events_come_beside_the_other_modes(session):
    events = await session.run(said(), "events", "values")

    kinds = {item["event"] for item in data(events, "events")}
    assert {"on_chain_start", "on_chat_model_stream", "on_chain_end"} <= kinds
    assert data(events, "values")[-1]["outcome"] == "unasked"


async def test_several_modes_come_in_the_order_in_which_they_happen(session):
    events = await session.run(said(), "values", "updates")

    assert names(events) == [
        "metadata",
        "values",
        "updates",
        "values",
        "updates",
        "values",
        "updates",
    ]


async def test_the_outcome_is_known_though_nobody_watches(session):
    events = await session.run(said(ask=True), "updates", wanted=False)

    assert events == []
    assert [item.value["question"] for item in session.outcome.interrupts] == ["publish?"]
    assert session.outcome.output()["__interrupt__"] == list(session.outcome.interrupts)
    assert session.outcome.values["messages"][1].content == "one two three"


async def test_an_answered_question_is_gone_from_the_outcome(session):
    await session.run(said(ask=True), "values")
    (question,) = session.outcome.interrupts

    await session.run({"resume": {question.id: {"approved": True}}}, "values")

    assert session.outcome.interrupts == ()
    assert session.outcome.output()["outcome"] == "approved"


async def test_a_failure_is_raised_and_has_an_event_of_its_own(session):
    with pytest.raises(ValueError, match="kaboom") as raised:
        await session.run(said(fail="kaboom"), "values")

    assert error_event(raised.value) == StreamEvent(
        "error", '{"error":"ValueError","message":"kaboom"}'
    )


async def test_a_drain_ends_the_run_at_the_next_step(session):
    control = RunControl()
    control.request_drain("stop")

    with pytest.raises(GraphDrained):
        await session.run(said(), "values", control=control)


async def test_protocol_v2_yields_channels_even_if_the_graph_registers_one_itself():
    session = Session(transformers=[UpdatesTransformer])

    events = await session.run(said(ask=True), protocol="v2")

    assert {"v2/values", "v2/updates", "v2/custom", "v2/checkpoints"} <= set(names(events))
    assert [item.value["question"] for item in session.outcome.interrupts] == ["publish?"]


def test_a_command_wins_over_input():
    command = graph_input({"input": {}, "resume": {"i": 1}})

    assert command.resume == {"i": 1}


def test_a_goto_with_input_becomes_a_send():
    command = graph_input({"command": {"goto": [{"node": "write", "input": 1}, "review"]}})

    assert [getattr(item, "node", item) for item in command.goto] == ["write", "review"]


def test_no_input_goes_on_from_where_the_thread_stands():
    assert graph_input({"input": None}) is None
