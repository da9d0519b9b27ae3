"""What is done to each graph of the zoo: a script per way that teams use LangGraph."""

import inspect
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from langgraph.types import Command, Send

from tests.e2e.differential.comparison import by_value, unordered
from tests.e2e.differential.worlds import World

Script = Callable[[World], Awaitable[list[Any]]]

EVERY_MODE = ("values", "updates", "custom", "tasks", "checkpoints", "debug", "messages")
HELLO = {"messages": [{"role": "user", "content": "hello", "id": "h1"}]}


def questions(state: dict[str, Any]) -> list[str]:
    """Return the ids of a state's questions, in the order of what they ask."""
    return [interrupt["id"] for interrupt in by_value(state["interrupts"])]


# Agents


async def an_agent_calls_tools_at_once(world: World) -> list[Any]:
    thread = await world.thread("agent")
    return [
        unordered(await thread.stream(HELLO, ["values", "updates", "messages"])),
        await thread.state(),
        await thread.history(),
    ]


async def an_agents_tokens_are_streamed(world: World) -> list[Any]:
    thread = await world.thread("agent")
    events = await thread.stream(HELLO, ["messages"])
    return [event for event in events if event[2][0]["type"] == "AIMessageChunk"]


async def a_person_approves_edits_rejects_and_responds(world: World) -> list[Any]:
    seen: list[Any] = []
    edited = {"type": "edit", "edited_action": {"name": "pay", "args": {"to": "cy", "amount": 1}}}
    for first, second in (
        ({"type": "approve"}, edited),
        ({"type": "reject", "message": "no"}, {"type": "respond", "message": "did it myself"}),
    ):
        thread = await world.thread("agent_guarded")
        seen += [
            await thread.invoke(HELLO),
            await thread.state(),
            unordered(
                await thread.stream(
                    Command(resume={"decisions": [first, second]}), ["updates", "values"]
                )
            ),
            await thread.history(limit=20),
        ]
    return seen


async def questions_of_tools_are_answered_one_by_one(world: World) -> list[Any]:
    thread = await world.thread("agent_asking")
    seen = [await thread.invoke(HELLO)]
    for answer in ("yes", "no", "maybe"):
        state = await thread.state()
        first = questions(state)[0]
        seen += [state, await thread.invoke(Command(resume={first: answer}))]
    return [*seen, await thread.state(), await thread.history()]


async def questions_of_tools_are_answered_at_once(world: World) -> list[Any]:
    thread = await world.thread("agent_asking")
    await thread.invoke(HELLO)
    ids = questions(await thread.state())
    answers = {question: f"answer {number}" for number, question in enumerate(ids)}
    return [await thread.invoke(Command(resume=answers)), await thread.history()]


async def each_call_is_approved_on_its_own(world: World) -> list[Any]:
    thread = await world.thread("agent_per_call")
    seen = [await thread.invoke(HELLO), await thread.state()]
    first, second = questions(seen[-1])
    edit = {"type": "edit", "edited_action": {"name": "pay", "args": {"to": "cy", "amount": 1}}}
    answers = {first: {"type": "approve"}, second: edit}
    return [*seen, await thread.invoke(Command(resume=answers)), await thread.state()]


async def a_tool_answers_with_a_command(world: World) -> list[Any]:
    thread = await world.thread("agent_travelling")
    return [await thread.stream(HELLO, ["updates", "values"]), await thread.history()]


async def an_agent_answers_with_an_object(world: World) -> list[Any]:
    thread = await world.thread("agent_structured")
    seen = [await thread.stream(HELLO, ["values", "updates"]), await thread.state()]
    more = {"messages": [{"role": "user", "content": "again", "id": "h2"}]}
    return [*seen, await thread.invoke(more), await thread.history(limit=20)]


async def an_agent_asks_another_which_asks_a_person(world: World) -> list[Any]:
    thread = await world.thread("agent_supervising")
    modes = ["values", "updates", "custom", "messages"]
    return [
        unordered(await thread.stream(HELLO, modes, subgraphs=True)),
        await thread.state(subgraphs=True),
        unordered(await thread.stream(Command(resume="red"), modes, subgraphs=True)),
        await thread.history(limit=20),
    ]


async def messages_are_trimmed(world: World) -> list[Any]:
    thread = await world.thread("trimming")
    seen = []
    for number in range(4):
        said = {"messages": [{"role": "user", "content": f"{number}", "id": f"u{number}"}]}
        seen.append(await thread.stream(said, ["values", "updates"]))
    return [*seen, await thread.history(limit=30)]


# Flow


async def sends_fan_out_and_are_gathered(world: World) -> list[Any]:
    thread = await world.thread("fan_out")
    events = await thread.stream({"count": 5}, ["updates", "values", "tasks"])
    return [unordered(events), await thread.history()]


async def two_hundred_sends(world: World) -> list[Any]:
    thread = await world.thread("fan_out")
    return [await thread.invoke({"count": 200}), await thread.history()]


async def sends_ask_and_are_answered_in_two_turns(world: World) -> list[Any]:
    thread = await world.thread("asking_fan")
    await thread.invoke({"count": 4})
    state = await thread.state()
    ids = questions(state)
    some = {ids[2]: "c", ids[0]: "a"}
    seen = [state, await thread.invoke(Command(resume=some)), await thread.state()]
    rest = {ids[1]: "b", ids[3]: "d"}
    return [*seen, await thread.invoke(Command(resume=rest)), await thread.history()]


async def a_deferred_node_waits_for_every_branch(world: World) -> list[Any]:
    thread = await world.thread("deferred")
    return [unordered(await thread.stream({}, ["updates", "values"])), await thread.history()]


async def a_reducer_is_overwritten(world: World) -> list[Any]:
    thread = await world.thread("overwriting")
    seen = [await thread.stream({"items": ["z"]}, EVERY_MODE), await thread.history()]
    written = await thread.update({"items": {"__overwrite__": ["new"]}}, "clear")
    return [*seen, written, await thread.state()]


async def a_node_says_where_to_go(world: World) -> list[Any]:
    seen = []
    for count in (1, 2):
        thread = await world.thread("commanding")
        seen += [await thread.stream({"count": count}, EVERY_MODE), await thread.history()]
    return seen


async def a_client_says_where_to_go(world: World) -> list[Any]:
    thread = await world.thread("commanding")
    await thread.invoke({"count": 1})
    seen = [await thread.invoke(Command(goto="even", update={"items": ["told"]}))]
    seen.append(await thread.invoke(Command(goto=[Send("odd", {"items": []}), "even"])))
    seen.append(await thread.invoke(Command(update={"count": 9})))
    return [*seen, await thread.history(limit=20)]


async def a_subgraph_hands_over_to_its_parent(world: World) -> list[Any]:
    thread = await world.thread("handing_over")
    events = await thread.stream({"items": ["z"]}, ["updates", "values"], subgraphs=True)
    return [unordered(events), await thread.history()]


async def a_loop_knows_its_remaining_steps(world: World) -> list[Any]:
    thread = await world.thread("careful_loop")
    return [
        await thread.stream({"steps": 0}, ["values", "updates"], config={"recursion_limit": 7}),
        await thread.history(limit=20),
    ]


async def a_loop_hits_its_limit(world: World) -> list[Any]:
    thread = await world.thread("endless_loop")
    return [
        await thread.stream({"steps": 0}, ["updates"], config={"recursion_limit": 5}),
        await thread.state(),
        await thread.history(limit=20),
        await thread.invoke(None, config={"recursion_limit": 3}),
        await thread.state(),
    ]


async def three_hundred_steps(world: World) -> list[Any]:
    thread = await world.thread("long_chain")
    answer = await thread.invoke({"goal": 300, "steps": 0}, config={"recursion_limit": 301})
    return [answer, await thread.history(limit=1000)]


async def nodes_are_written_in_any_way(world: World) -> list[Any]:
    thread = await world.thread("ways")
    return [await thread.stream({}, ["updates", "custom", "values"]), await thread.history()]


async def a_node_is_an_async_generator(world: World) -> list[Any]:
    thread = await world.thread("generator")
    return [await thread.stream({}, ["updates", "custom", "values"]), await thread.history()]


async def every_mode_is_streamed(world: World) -> list[Any]:
    thread = await world.thread("line")
    return [await thread.stream({"text": "t"}, EVERY_MODE)]


async def events_are_streamed_one_mode_at_a_time(world: World) -> list[Any]:
    seen = []
    for mode in EVERY_MODE:
        thread = await world.thread("line")
        seen.append(await thread.stream({"text": "t"}, [mode]))
    return seen


# Breakpoints


async def a_graph_stops_where_it_was_compiled_to(world: World) -> list[Any]:
    thread = await world.thread("stopping")
    return [
        await thread.stream({"text": "t"}, ["values", "updates"]),
        await thread.state(),
        await thread.invoke(None),
        await thread.state(),
        await thread.invoke(None),
        await thread.history(limit=20),
    ]


async def a_run_stops_where_it_is_told_to(world: World) -> list[Any]:
    thread = await world.thread("line")
    return [
        await thread.stream({"text": "t"}, ["values", "updates"], interrupt_before=["b"]),
        await thread.state(),
        await thread.invoke(None, interrupt_after=["b"]),
        await thread.state(),
        await thread.invoke(None),
        await thread.state(),
        await thread.invoke({"text": "u"}, interrupt_after="*"),
        await thread.state(),
        await thread.history(limit=30),
    ]


# Questions


async def two_questions_of_one_node(world: World) -> list[Any]:
    thread = await world.thread("two_questions")
    seen = [await thread.invoke({"text": "t"}), await thread.state()]
    seen += [await thread.invoke(Command(resume="one")), await thread.state()]
    seen += [await thread.stream(Command(resume="two"), ["updates", "values"])]
    return [*seen, await thread.state(), await thread.history(limit=20)]


async def a_question_is_asked_until_the_answer_fits(world: World) -> list[Any]:
    thread = await world.thread("validating")
    seen = [await thread.invoke({})]
    for answer in ("old", [1], 42):
        seen += [await thread.invoke(Command(resume=answer)), await thread.state()]
    return seen


async def answers_may_be_falsy(world: World) -> list[Any]:
    seen = []
    for answer in ("", 0, False, []):
        thread = await world.thread("two_questions")
        await thread.invoke({})
        seen += [await thread.invoke(Command(resume=answer)), await thread.state()]
    return seen


async def parallel_questions_are_answered_one_by_one(world: World) -> list[Any]:
    thread = await world.thread("parallel_questions")
    seen = [unordered(await thread.stream({}, ["values", "updates"]))]
    state = await thread.state()
    left, right = questions(state)
    seen += [state, await thread.invoke(Command(resume={right: "r"})), await thread.state()]
    return [*seen, await thread.invoke(Command(resume={left: "l"})), await thread.history()]


async def a_question_has_a_type(world: World) -> list[Any]:
    thread = await world.thread("typed_question")
    seen = [await thread.invoke({}), await thread.state()]
    return [*seen, await thread.invoke(Command(resume={"ok": True, "amount": 4}))]


async def a_client_begins_in_the_middle(world: World) -> list[Any]:
    thread = await world.thread("line")
    seen = [await thread.invoke(Command(goto="b", update={"text": "t"}))]
    return [*seen, await thread.history()]


async def a_state_is_one_value(world: World) -> list[Any]:
    thread = await world.thread("rooted")
    seen = [await thread.stream(["in"], ["values", "updates"]), await thread.state()]
    seen += [await thread.invoke(Command(resume="you")), await thread.update(["more"], "second")]
    return [*seen, await thread.state(), await thread.history(limit=20)]


async def a_client_wants_less_durability(world: World) -> list[Any]:
    thread = await world.thread("line")
    return [await thread.invoke({"text": "t"}, durability="async"), await thread.history()]


async def parallel_nodes_ask_twice_each(world: World) -> list[Any]:
    thread = await world.thread("parallel_twice")
    seen = [await thread.invoke({}), await thread.state()]
    left, right = questions(seen[-1])
    seen += [await thread.invoke(Command(resume={right: "r1"})), await thread.state()]
    left, right = questions(seen[-1])
    seen += [await thread.invoke(Command(resume={left: "l1", right: "r2"})), await thread.state()]
    (left,) = questions(seen[-1])
    return [*seen, await thread.invoke(Command(resume={left: "l2"})), await thread.history()]


async def a_finished_thread_is_told_nothing(world: World) -> list[Any]:
    thread = await world.thread("line")
    await thread.invoke({"text": "t"})
    return [await thread.invoke(None), await thread.history(limit=20)]


# Graphs inside graphs


async def a_question_two_levels_down(world: World) -> list[Any]:
    thread = await world.thread("two_deep")
    seen = [await thread.stream({}, ["values", "updates", "custom"], subgraphs=True)]
    seen += [await thread.state(), await thread.state(subgraphs=True)]
    seen += [
        await thread.stream(
            Command(resume="hi"), ["values", "updates", "custom", "tasks"], subgraphs=True
        )
    ]
    return [*seen, await thread.state(subgraphs=True), await thread.history()]


async def a_subgraph_in_every_mode(world: World) -> list[Any]:
    thread = await world.thread("two_deep")
    return [
        await thread.stream({}, EVERY_MODE, subgraphs=True),
        await thread.stream(Command(resume="hi"), EVERY_MODE, subgraphs=True),
    ]


async def a_subgraphs_events_are_not_shown_unasked(world: World) -> list[Any]:
    thread = await world.thread("two_deep")
    return [
        await thread.stream({}, EVERY_MODE),
        await thread.stream(Command(resume="hi"), EVERY_MODE),
    ]


async def a_subgraphs_own_state_and_history(world: World) -> list[Any]:
    thread = await world.thread("two_deep")
    await thread.invoke({})
    state = await thread.state()
    ns = state["tasks"][0]["state"]
    inner = await thread.state(ns=ns)
    return [inner, await thread.history(ns=ns), await thread.state(ns=inner["tasks"][0]["state"])]


async def a_subgraph_remembers(world: World) -> list[Any]:
    thread = await world.thread("with_memory")
    seen = [await thread.stream({}, ["updates", "values"], subgraphs=True) for _ in range(3)]
    return [*seen, await thread.state(), await thread.state(ns="child"), await thread.history()]


async def a_subgraph_is_called_as_a_function(world: World) -> list[Any]:
    thread = await world.thread("as_function")
    seen = [await thread.invoke({}), await thread.state(), await thread.state(subgraphs=True)]
    return [*seen, await thread.invoke(Command(resume="yes")), await thread.history()]


async def a_subgraph_without_checkpoints(world: World) -> list[Any]:
    thread = await world.thread("without_checkpoints")
    return [await thread.stream({}, ["updates", "custom"], subgraphs=True), await thread.history()]


async def two_children_ask_at_once(world: World) -> list[Any]:
    thread = await world.thread("children")
    await thread.invoke({})
    state = await thread.state(subgraphs=True)
    one, two = questions(state)
    seen = [state, await thread.invoke(Command(resume={two: "second"})), await thread.state()]
    return [*seen, await thread.invoke(Command(resume={one: "first"})), await thread.history()]


async def a_child_asks_two_questions_at_once(world: World) -> list[Any]:
    thread = await world.thread("child_asking_both")
    await thread.invoke({})
    seen = [await thread.state(subgraphs=True)]
    right = questions(seen[-1])[1]
    seen += [await thread.invoke(Command(resume={right: "r"})), await thread.state(subgraphs=True)]
    (rest,) = questions(seen[-1])
    return [*seen, await thread.invoke(Command(resume={rest: "l"})), await thread.history()]


async def children_are_sent_and_ask(world: World) -> list[Any]:
    thread = await world.thread("sent_children")
    await thread.invoke({})
    seen = [await thread.state(subgraphs=True)]
    one, two, three = questions(seen[-1])
    seen += [await thread.invoke(Command(resume={two: "b"})), await thread.state()]
    return [
        *seen,
        await thread.invoke(Command(resume={one: "a", three: "c"})),
        await thread.state(),
    ]


async def a_failure_two_levels_down(world: World) -> list[Any]:
    thread = await world.thread("failing_below")
    seen = [await thread.stream({}, ["updates", "values", "tasks"], subgraphs=True)]
    return [*seen, await thread.state(subgraphs=True), await thread.invoke(None)]


async def a_subgraph_stops_and_is_changed(world: World) -> list[Any]:
    thread = await world.thread("with_breakpoint")
    seen = [await thread.stream({}, ["values", "updates"], subgraphs=True), await thread.state()]
    ns = seen[-1]["tasks"][0]["state"]
    seen += [await thread.update({"notes": ["by hand"]}, "a", ns=ns)]
    seen += [await thread.state(subgraphs=True), await thread.invoke(None)]
    return [*seen, await thread.state(), await thread.history()]


# The functional API


async def an_entrypoint_remembers_what_it_saved(world: World) -> list[Any]:
    thread = await world.thread("summing")
    seen = [await thread.invoke([1, 2]), await thread.state()]
    seen += [unordered(await thread.stream([3], ["updates", "values", "tasks"]))]
    return [*seen, await thread.state(), await thread.history()]


async def an_entrypoint_asks_between_tasks(world: World) -> list[Any]:
    thread = await world.thread("reviewing")
    seen = [await thread.stream("hey", ["updates", "values", "custom"]), await thread.state()]
    seen += [await thread.stream(Command(resume="you"), ["updates", "custom"])]
    seen += [await thread.invoke(Command(resume="there")), await thread.state()]
    return [*seen, await thread.invoke("next"), await thread.history()]


async def tasks_ask(world: World) -> list[Any]:
    thread = await world.thread("inquiring")
    seen = [await thread.invoke(["one", "two"])]
    for answer in ("a", "b"):
        seen.append(await thread.state())
        question = questions(seen[-1])[0]
        seen.append(await thread.invoke(Command(resume={question: answer})))
    return [*seen, await thread.history()]


async def tasks_are_retried_and_cached(world: World) -> list[Any]:
    thread = await world.thread("trying")
    return [await thread.stream(str(uuid4()), ["updates"]), await thread.history()]


# Failures


async def a_node_raises_and_is_run_again(world: World) -> list[Any]:
    thread = await world.thread("failing")
    seen = [await thread.stream({}, ["values", "updates", "tasks"]), await thread.state()]
    seen += [await thread.invoke(None), await thread.state()]
    seen += [await thread.update({"fail": False}), await thread.invoke(None)]
    return [*seen, await thread.state(), await thread.history(limit=20)]


async def what_succeeded_beside_a_failure_is_kept(world: World) -> list[Any]:
    thread = await world.thread("failing_beside")
    seen = [await thread.invoke({}), await thread.state()]
    seen += [await thread.invoke(None), await thread.state()]
    return [*seen, await thread.invoke({"fail": False}), await thread.history(limit=20)]


async def a_node_is_retried(world: World) -> list[Any]:
    thread = await world.thread("retrying")
    return [await thread.stream({}, ["updates", "values"]), await thread.history()]


async def retries_are_used_up(world: World) -> list[Any]:
    thread = await world.thread("giving_up")
    return [await thread.stream({}, ["updates", "tasks"]), await thread.state()]


async def a_failure_is_handled(world: World) -> list[Any]:
    thread = await world.thread("handled")
    return [await thread.stream({}, ["updates", "values", "tasks"]), await thread.history()]


async def a_node_is_too_slow(world: World) -> list[Any]:
    thread = await world.thread("too_slow")
    answer = await thread.invoke({})
    state = await thread.state()
    return [answer["__error__"]["error"], state["next"], state["metadata"]]


async def a_node_is_cached(world: World) -> list[Any]:
    thread = await world.thread("caching")
    name = {"log": [str(uuid4())]}
    return [await thread.stream(name, ["updates"]) for _ in range(2)]


async def a_reducer_raises(world: World) -> list[Any]:
    thread = await world.thread("refusing_reducer")
    return [await thread.invoke({}), await thread.history()]


async def two_nodes_write_one_value(world: World) -> list[Any]:
    thread = await world.thread("two_writers")
    return [await thread.stream({}, ["values"]), await thread.history()]


async def a_node_returns_no_update(world: World) -> list[Any]:
    thread = await world.thread("wrong_return")
    return [await thread.stream({}, ["values"]), await thread.state()]


async def an_answer_makes_the_node_fail(world: World) -> list[Any]:
    thread = await world.thread("refusing")
    await thread.invoke({})
    seen = [await thread.invoke(Command(resume="fly")), await thread.state()]
    return [*seen, await thread.invoke(None), await thread.history()]


async def a_node_cancels_itself(world: World) -> list[Any]:
    thread = await world.thread("cancelling")
    return [await thread.invoke({}), await thread.history()]


async def a_node_raises_a_group(world: World) -> list[Any]:
    thread = await world.thread("grouping")
    return [await thread.stream({}, ["values"]), await thread.history()]


async def a_node_goes_nowhere(world: World) -> list[Any]:
    thread = await world.thread("lost")
    return [await thread.invoke({}), await thread.history()]


async def an_input_names_no_channel(world: World) -> list[Any]:
    thread = await world.thread("line")
    return [await thread.invoke({"unknown": 1}), await thread.history()]


# Values


async def a_state_holds_what_python_has(world: World) -> list[Any]:
    thread = await world.thread("everything")
    return [
        await thread.stream({}, ["values", "updates", "debug"]),
        await thread.state(),
        await thread.history(),
    ]


async def a_states_classes_come_back_from_a_checkpoint(world: World) -> list[Any]:
    thread = await world.thread("everything")
    seen = [await thread.invoke({}, interrupt_before=["look"])]
    return [*seen, await thread.invoke(None), await thread.state()]


async def a_state_is_a_pydantic_model(world: World) -> list[Any]:
    thread = await world.thread("pydantic_state")
    return [
        await thread.stream({"name": "ana"}, ["values", "updates"]),
        await thread.invoke({"name": "bo", "age": 7}),
        await thread.invoke({"age": "no number"}),
        await thread.invoke({"name": "cy", "age": 4}),
    ]


async def a_state_is_a_dataclass(world: World) -> list[Any]:
    thread = await world.thread("dataclass_state")
    seen = [await thread.stream({"name": "ana"}, ["values", "updates"])]
    return [*seen, await thread.invoke({}), await thread.history(limit=20)]


async def only_the_output_schema_is_answered(world: World) -> list[Any]:
    thread = await world.thread("schemas")
    seen = [await thread.invoke({"asked": "abc", "secret": "not an input"})]
    return [*seen, await thread.state(), await thread.history()]


async def channels_of_every_kind(world: World) -> list[Any]:
    thread = await world.thread("channels")
    seen = [await thread.stream({"once": "in"}, ["values", "updates"]), await thread.state()]
    seen += [await thread.invoke({"lines": ["e"]}), await thread.history(limit=20)]
    at = seen[-1][3]["checkpoint_id"]
    return [*seen, await thread.invoke(None, at=at), await thread.state()]


async def a_run_is_told_context_and_configurable(world: World) -> list[Any]:
    thread = await world.thread("surroundings")
    config = {"configurable": {"mood": "good", "user": {"name": "ana"}}, "tags": ["t"]}
    return [
        await thread.invoke({}, context={"who": "ana", "level": 3}, config=config),
        await thread.invoke({}, context={"who": "bo"}, config={"recursion_limit": 9}),
        await thread.invoke({}, config={"metadata": {"from": "here"}}),
        await thread.invoke({}, context={"who": "ana", "unknown": 1}),
        await thread.history(limit=20),
    ]


async def nodes_use_the_store(world: World) -> list[Any]:
    thread = await world.thread("storing")
    return [await thread.invoke({"key": world.name, "words": "air and rain"})][0]["found"][:4]


# Time travel


async def a_state_is_written_as_a_node(world: World) -> list[Any]:
    thread = await world.thread("line")
    await thread.invoke({"text": "t"}, interrupt_before=["b"])
    seen = [await thread.update({"seen": ["by hand"]}, "b"), await thread.state()]
    seen += [await thread.invoke(None), await thread.update({"text": "more"})]
    seen += [await thread.state(), await thread.update(None, "__end__"), await thread.state()]
    seen += [await thread.update({"text": "x"}, "__start__"), await thread.state()]
    seen += [await thread.update({"text": "in"}, "__input__"), await thread.state()]
    return [*seen, await thread.update(None, "__copy__"), await thread.history(limit=30)]


async def a_state_that_cannot_be_written(world: World) -> list[Any]:
    thread = await world.thread("line")
    await thread.invoke({"text": "t"})
    wrong = [await thread.update({"text": "x"}, "nobody"), await thread.update("text", "a")]
    return ["__error__" in answer for answer in wrong]


async def an_old_checkpoint_is_replayed(world: World) -> list[Any]:
    thread = await world.thread("line")
    await thread.invoke({"text": "t"})
    history = await thread.history()
    at = next(state["checkpoint_id"] for state in history if state["next"] == ["b"])
    seen = [await thread.state(at=at), await thread.stream(None, ["values", "updates"], at=at)]
    return [*seen, await thread.state(), await thread.history(limit=20)]


async def a_thread_is_forked_by_an_update(world: World) -> list[Any]:
    thread = await world.thread("line")
    await thread.invoke({"text": "t"})
    history = await thread.history()
    at = next(state["checkpoint_id"] for state in history if state["next"] == ["b"])
    fork = await thread.update({"text": "forked"}, at=at)
    seen = [fork, await thread.state(), await thread.invoke(None, at=fork)]
    return [*seen, await thread.state(), await thread.history(limit=20)]


async def a_thread_is_forked_by_an_input(world: World) -> list[Any]:
    thread = await world.thread("line")
    await thread.invoke({"text": "t"})
    at = (await thread.history())[2]["checkpoint_id"]
    seen = [await thread.invoke({"text": "u"}, at=at), await thread.state()]
    return [*seen, await thread.history(limit=20)]


async def a_question_is_asked_again_from_before_it(world: World) -> list[Any]:
    thread = await world.thread("two_questions")
    await thread.invoke({"text": "t"})
    await thread.invoke(Command(resume="one"))
    await thread.invoke(Command(resume="two"))
    at = (await thread.history())[1]["checkpoint_id"]
    seen = [await thread.invoke(None, at=at), await thread.state()]
    seen += [await thread.invoke(Command(resume="uno")), await thread.state()]
    return [*seen, await thread.invoke(Command(resume="due")), await thread.history(limit=20)]


async def history_is_filtered_and_paged(world: World) -> list[Any]:
    thread = await world.thread("line")
    await thread.invoke({"text": "t"}, config={"metadata": {"batch": "one"}})
    await thread.invoke({"text": "u"}, config={"metadata": {"batch": "two"}})
    first = await thread.history(limit=3)
    return [
        first,
        await thread.history(limit=2, before=first[-1]["checkpoint_id"]),
        await thread.history(metadata={"source": "input"}),
        await thread.history(metadata={"source": "loop", "step": 1}),
        await thread.history(metadata={"batch": "two"}, limit=20),
        await thread.history(metadata={"batch": "none"}),
    ]


SCRIPTS: dict[str, Script] = {
    name: script
    for name, script in inspect.getmembers(sys.modules[__name__], inspect.iscoroutinefunction)
    if script.__module__ == __name__
}
