"""The zoo: graphs of every shape that leaves rows of its own kind behind, and how each is driven.

A shape is deterministic apart from ids, so that two copies of one thread can be compared step by
step. Every node writes its name to `TRACE`: a node that runs twice is a difference too.
"""

import operator
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Overwrite, RetryPolicy, Send, interrupt
from typing_extensions import TypedDict

TRACE: list[str] = []
"""Names of the nodes that ran, in the order they ended; emptied by whoever compares."""

BROKEN: set[str] = set()
"""Names of the nodes that fail when they run."""


class FlakyError(Exception):
    """A node that was told to fail has failed."""


def ran(name: str) -> None:
    """Note that the node `name` ran; fail if it was told to."""
    if name in BROKEN:
        raise FlakyError(name)
    TRACE.append(name)


def extend(state: list[Any], writes: Sequence[list[Any]]) -> list[Any]:
    """Append every write to the list: a reducer that any batching leaves equal."""
    return [*state, *(item for write in writes for item in write)]


Log = Annotated[list[Any], operator.add]


def newest(old: list[Any], new: list[Any]) -> list[Any]:
    """Keep what was said last; children that end together do not collide."""
    return new


def recent(old: list[Any], new: list[Any]) -> list[Any]:
    """Keep the last few things said: a list that goes through a child and back does not double."""
    return [*old, *new][-6:]


def lately(old: list[Any], new: list[Any]) -> list[Any]:
    """Add, up to a bound that no story reaches: what a child with memory hands through doubles."""
    return [*old, *new][-64:]


class State(TypedDict, total=False):
    log: Log
    doc: dict[str, Any]
    note: str
    said: Annotated[list[Any], newest]
    n: int


class Home(Protocol):
    """A place that holds threads."""

    def clone(self, source: str, target: str) -> str:
        """Copy a thread under another thread id, and return that."""

    def forget(self, thread_id: str) -> None:
        """Delete a thread."""

    def ids(self, thread_id: str) -> list[str]:
        """Return the ids of the root graph's checkpoints, newest first."""

    def places(self, thread_id: str) -> dict[str, tuple[int | None, str | None]]:
        """Return step and source of each of the root graph's checkpoints, newest first, by id."""

    def fingerprint(self, thread_id: str) -> Hashable:
        """Return a value that is another one after any row of the thread has changed."""


class Driver:
    """Drive one thread of one graph, as an application would."""

    def __init__(
        self, graph: Any, thread_id: str, durability: str, *, home: Home | None = None
    ) -> None:
        self.graph = graph
        self.thread_id = thread_id
        self.durability = durability
        self.home = home

    def config(self, checkpoint_id: str | None = None) -> RunnableConfig:
        """Return the configuration that addresses the head, or one checkpoint."""
        configurable = {"thread_id": self.thread_id}
        if checkpoint_id is not None:
            configurable |= {"checkpoint_ns": "", "checkpoint_id": checkpoint_id}
        return {"configurable": configurable, "recursion_limit": 60, "max_concurrency": 4}

    def run(self, value: Any, checkpoint_id: str | None = None) -> Any:
        """Invoke the graph with an input, a command or None."""
        return self.graph.invoke(value, self.config(checkpoint_id), durability=self.durability)

    def state(self, checkpoint_id: str | None = None) -> Any:
        """Return the state snapshot, subgraphs included."""
        return self.graph.get_state(self.config(checkpoint_id), subgraphs=True)

    def update(self, values: Any, as_node: str, checkpoint_id: str | None = None) -> Any:
        """Write a checkpoint by hand: an update, a fork or a copy."""
        return self.graph.update_state(self.config(checkpoint_id), values, as_node=as_node)

    def history(self) -> list[CheckpointTuple]:
        """Return the root graph's checkpoints, newest first."""
        config = {"configurable": {"thread_id": self.thread_id, "checkpoint_ns": ""}}
        return list(self.graph.checkpointer.list(config))

    def ids(self) -> list[str]:
        """Return the root graph's checkpoint ids, newest first."""
        if self.home is not None:
            return self.home.ids(self.thread_id)
        return [self.id_of(item) for item in self.history()]

    @staticmethod
    def id_of(item: CheckpointTuple) -> str:
        """Return the id of a checkpoint."""
        return str(item.config["configurable"]["checkpoint_id"])

    def answer(self, value: Any, limit: int | None = None) -> Any:
        """Answer the open interrupts of the head by id, at most `limit` of them."""
        interrupts = self.state().interrupts[:limit]
        return self.run(Command(resume={item.id: value for item in interrupts}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One kind of graph: how it is built, driven, and fed its next turn."""

    name: str
    build: Callable[[BaseCheckpointSaver], Any]
    drive: Callable[[Driver], None]
    feed: Callable[[int], Any]
    delta: bool = False
    """Uses a DeltaChannel: without the graph its window cannot be cut without ancestors."""


SHAPES: dict[str, Shape] = {}


def shape(
    name: str, *, drive: Callable[[Driver], None], feed: Any = None, delta: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated builder under `name`."""

    def register(build: Callable[..., Any]) -> Callable[..., Any]:
        SHAPES[name] = Shape(name=name, build=build, drive=drive, feed=feed or say, delta=delta)
        return build

    return register


def say(turn: int) -> State:
    """Return one turn's input."""
    return {"log": [{"turn": turn}], "n": turn}


def turns(count: int) -> Callable[[Driver], None]:
    """Drive `count` plain turns."""

    def drive(driver: Driver) -> None:
        for turn in range(count):
            driver.run(say(turn))

    return drive


def gated(count: int, answers_per_turn: int = 1, leave_open: bool = True) -> Callable[..., None]:
    """Drive turns that stop at gates; the last one stays open if `leave_open`."""

    def drive(driver: Driver) -> None:
        for turn in range(count):
            driver.run(say(turn))
            answers = answers_per_turn - (leave_open and turn == count - 1)
            for answer in range(answers):
                driver.answer({"ok": turn, "answer": answer}, limit=1)

    return drive


def node(name: str, **fields: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """Return a node that notes its name and writes the named fields."""

    def work(state: Any) -> dict[str, Any]:
        ran(name)
        log = state.get("log", [])
        return {"log": [{name: len(log)}]} | {key: make(state) for key, make in fields.items()}

    work.__name__ = name
    return work


def chain(schema: Any, *nodes: Any, **compile_arguments: Any) -> Any:
    """Compile a straight line of nodes, each a (name, callable) pair or a named function."""
    builder = StateGraph(schema)
    previous = START
    for item in nodes:
        name, action = item if isinstance(item, tuple) else (item.__name__, item)
        builder.add_node(name, action)
        builder.add_edge(previous, name)
        previous = name
    builder.add_edge(previous, END)
    return builder.compile(**compile_arguments)


# ---------------------------------------------------------------- channels


@shape("chat", drive=turns(5))
def chat(saver: BaseCheckpointSaver) -> Any:
    """One node, one growing list: the shape that bloats."""
    return chain(State, node("reply"), checkpointer=saver)


@shape("pipeline", drive=turns(3))
def pipeline(saver: BaseCheckpointSaver) -> Any:
    """Channels of different cadence: `doc` by one node, `note` inline, `log` by all."""
    return chain(
        State,
        node("read", doc=lambda s: {"of": s.get("n", 0)}),
        node("think", note=lambda s: f"note {s.get('n', 0)}"),
        node("write"),
        checkpointer=saver,
    )


@shape("rarely_written", drive=turns(5))
def rarely_written(saver: BaseCheckpointSaver) -> Any:
    """A channel written in the first turn only: all later checkpoints share its blob."""

    def once(state: State) -> State:
        ran("once")
        return {} if state.get("doc") else {"doc": {"first": state.get("n", 0)}}

    return chain(State, once, node("reply"), checkpointer=saver)


@shape("fan_out", drive=turns(3))
def fan_out(saver: BaseCheckpointSaver) -> Any:
    """Map-reduce by Send: pending sends live in the checkpoint."""
    builder = StateGraph(State)
    builder.add_node("plan", node("plan"))
    builder.add_node("work", lambda s: (ran("work"), {"log": [{"item": s["item"]}]})[1])
    builder.add_node("join", node("join"))
    builder.add_edge(START, "plan")
    builder.add_conditional_edges(
        "plan", lambda _: [Send("work", {"item": item}) for item in range(3)], ["work"]
    )
    builder.add_edge("work", "join")
    return builder.compile(checkpointer=saver)


@shape("barrier", drive=turns(3))
def barrier(saver: BaseCheckpointSaver) -> Any:
    """Two branches of different length and a join that waits for both."""
    builder = StateGraph(State)
    for name in ("start", "left", "right", "right_more", "join"):
        builder.add_node(name, node(name))
    builder.add_edge(START, "start")
    builder.add_edge("start", "left")
    builder.add_edge("start", "right")
    builder.add_edge("right", "right_more")
    builder.add_edge(["left", "right_more"], "join")
    return builder.compile(checkpointer=saver)


@shape("loop", drive=turns(2))
def loop(saver: BaseCheckpointSaver) -> Any:
    """A cycle of many supersteps per turn, steered by Command."""

    def work(state: State) -> Command:
        ran("work")
        n = state.get("n", 0)
        return Command(update={"n": n + 1, "log": [{"loop": n}]}, goto="work" if n < 5 else END)

    builder = StateGraph(State)
    builder.add_node("work", work, destinations=("work", END))
    builder.add_edge(START, "work")
    return builder.compile(checkpointer=saver)


def functional_turns(driver: Driver) -> None:
    """Feed the functional graph; its state is what it returned before."""
    for turn in range(4):
        driver.run(turn)


@shape("functional", drive=functional_turns, feed=lambda turn: turn)
def functional(saver: BaseCheckpointSaver) -> Any:
    """The functional API: tasks, and the value saved for the next call."""

    @task
    def double(value: int) -> int:
        ran("double")
        return value * 2

    @entrypoint(checkpointer=saver)
    def flow(value: int, *, previous: Any = None) -> Any:
        results = [double(value + item).result() for item in range(3)]
        total = {"sum": sum(results), "before": (previous or {}).get("sum", 0)}
        return entrypoint.final(value=total, save=total)

    return flow


# ---------------------------------------------------------------- interrupts


def ask(name: str, questions: int = 1, key: str = "log") -> Callable[[Any], dict[str, Any]]:
    """Return a node that asks `questions` questions one after the other."""

    def gate(state: Any) -> dict[str, Any]:
        answers = [interrupt({"gate": name, "question": index}) for index in range(questions)]
        ran(name)
        return {key: [{name: answers}]}

    gate.__name__ = name
    return gate


@shape("gate_open", drive=gated(3))
def gate_open(saver: BaseCheckpointSaver) -> Any:
    """A gate between two nodes; the last turn is still open."""
    return chain(State, node("before"), ask("gate"), node("after"), checkpointer=saver)


@shape("gate_answered", drive=gated(3, leave_open=False))
def gate_answered(saver: BaseCheckpointSaver) -> Any:
    """The same, all turns answered: replays meet gates of the past."""
    return gate_open(saver)


@shape("gates_in_one_node", drive=gated(2, answers_per_turn=3))
def gates_in_one_node(saver: BaseCheckpointSaver) -> Any:
    """Three questions of one node, two answered: the answers are RESUME rows."""
    return chain(State, node("before"), ask("gate", questions=3), node("after"), checkpointer=saver)


@shape("parallel_gates", drive=gated(2, answers_per_turn=3))
def parallel_gates(saver: BaseCheckpointSaver) -> Any:
    """Three gates at once beside a finished sibling; one is still open."""
    builder = StateGraph(State)

    def question(state: dict[str, Any]) -> State:
        answer = interrupt({"item": state["item"]})
        ran("question")
        return {"log": [{"item": state["item"], "answer": answer}]}

    builder.add_node("plan", node("plan"))
    builder.add_node("question", question)
    builder.add_node("sibling", node("sibling"))
    builder.add_node("join", node("join"))
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "sibling")
    builder.add_conditional_edges(
        "plan", lambda _: [Send("question", {"item": item}) for item in range(3)], ["question"]
    )
    builder.add_edge(["question", "sibling"], "join")
    return builder.compile(checkpointer=saver)


# ---------------------------------------------------------------- subgraphs


class Child(TypedDict, total=False):
    said: Annotated[list[Any], recent]
    memory: Annotated[list[Any], lately]
    n: int


def remember(name: str) -> Callable[[Any], dict[str, Any]]:
    """Return a child's node: it counts the calls its own memory knows."""

    def work(state: Any) -> dict[str, Any]:
        ran(name)
        memory = state.get("memory", [])
        return {"memory": [state.get("n", 0)], "said": [{name: [*memory, state.get("n", 0)]}]}

    work.__name__ = name
    return work


def calls(child: Any, name: str, key: str = "log") -> Callable[..., Any]:
    """Return a node that calls `child` and writes the last thing it said to `key`."""

    def call(state: Any, config: RunnableConfig) -> dict[str, Any]:
        result = child.invoke({"said": [], "n": state.get("n", 0)}, config)
        ran(name)
        return {key: [{name: result["said"][-1]}]}

    call.__name__ = name
    return call


@shape("plain_child", drive=turns(4))
def plain_child(saver: BaseCheckpointSaver) -> Any:
    """A subgraph as a node: a namespace per call."""
    child = chain(Child, remember("c1"), remember("c2"))
    return chain(State, node("before"), ("child", child), node("after"), checkpointer=saver)


@shape("plain_two_deep", drive=gated(3))
def plain_two_deep(saver: BaseCheckpointSaver) -> Any:
    """A gate two subgraphs deep."""
    inner = chain(Child, remember("i1"), ask("gate", key="said"), remember("i2"))
    middle = chain(Child, remember("m1"), ("inner", inner), remember("m2"))
    return chain(State, node("before"), ("middle", middle), node("after"), checkpointer=saver)


@shape("child_gate_in_node", drive=gated(3))
def child_gate_in_node(saver: BaseCheckpointSaver) -> Any:
    """A subgraph with a gate, called by hand inside a node."""
    child = chain(Child, remember("c1"), ask("gate", key="said"), remember("c2"), checkpointer=None)
    return chain(State, node("before"), calls(child, "call"), checkpointer=saver)


@shape("many_calls_in_one_node", drive=turns(2))
def many_calls_in_one_node(saver: BaseCheckpointSaver) -> Any:
    """Six calls of one child in one superstep: namespaces with a numeric suffix."""
    child = chain(Child, remember("c1"))

    def call(state: State, config: RunnableConfig) -> State:
        log = [child.invoke({"n": item, "said": []}, config)["said"][-1] for item in range(6)]
        ran("call")
        return {"log": log}

    return chain(State, call, checkpointer=saver)


@shape("stateful_child", drive=turns(5))
def stateful_child(saver: BaseCheckpointSaver) -> Any:
    """A child with memory of its own: one namespace for all calls, replays need its past."""
    child = chain(Child, remember("c1"), checkpointer=True)
    return chain(State, node("before"), calls(child, "child"), node("after"), checkpointer=saver)


@shape("stateful_child_of_many_steps", drive=turns(3))
def stateful_child_of_many_steps(saver: BaseCheckpointSaver) -> Any:
    """A child with memory and more supersteps than its root."""
    child = chain(Child, *(remember(f"c{item}") for item in range(5)), checkpointer=True)
    return chain(State, ("child", child), checkpointer=saver)


@shape("stateful_gate", drive=gated(3))
def stateful_gate(saver: BaseCheckpointSaver) -> Any:
    """A child with memory that stops at a gate."""
    child = chain(Child, remember("c1"), ask("gate", key="said"), remember("c2"), checkpointer=True)
    return chain(State, node("before"), calls(child, "child"), node("after"), checkpointer=saver)


@shape("stateful_in_plain", drive=turns(4))
def stateful_in_plain(saver: BaseCheckpointSaver) -> Any:
    """A child with memory inside a plain call."""
    inner = chain(Child, remember("i1"), checkpointer=True)
    middle = chain(Child, remember("m1"), calls(inner, "inner", "said"))
    return chain(State, ("middle", middle), node("after"), checkpointer=saver)


@shape("plain_in_stateful", drive=turns(4))
def plain_in_stateful(saver: BaseCheckpointSaver) -> Any:
    """A plain call inside a child with memory."""
    inner = chain(Child, remember("i1"), remember("i2"))
    middle = chain(Child, remember("m1"), ("inner", inner), checkpointer=True)
    return chain(State, calls(middle, "middle"), node("after"), checkpointer=saver)


@shape("stateful_in_stateful", drive=turns(4))
def stateful_in_stateful(saver: BaseCheckpointSaver) -> Any:
    """Memory inside memory."""
    inner = chain(Child, remember("i1"), checkpointer=True)
    middle = chain(Child, remember("m1"), calls(inner, "inner", "said"), checkpointer=True)
    return chain(State, calls(middle, "middle"), node("after"), checkpointer=saver)


def stateful_between_turns(driver: Driver) -> None:
    """Call the child only in every third turn."""
    for turn in range(7):
        driver.run({"log": [{"turn": turn}], "n": turn})


@shape("stateful_called_rarely", drive=stateful_between_turns)
def stateful_called_rarely(saver: BaseCheckpointSaver) -> Any:
    """A child with memory that most turns never call: its floors are older than the window."""
    child = chain(Child, remember("c1"), checkpointer=True)
    builder = StateGraph(State)
    builder.add_node("before", node("before"))
    builder.add_node("child", calls(child, "child"))
    builder.add_edge(START, "before")
    builder.add_conditional_edges(
        "before", lambda s: "child" if s.get("n", 0) % 3 == 0 else END, ["child", END]
    )
    return builder.compile(checkpointer=saver)


# ---------------------------------------------------------------- forks and failures


def fork_in_the_middle(driver: Driver) -> None:
    """Run on, go back, fork twice, run on from the older fork, come back to the head."""
    for turn in range(3):
        driver.run(say(turn))
    ids = driver.ids()
    for offset, turn in ((len(ids) // 2, 70), (len(ids) // 3, 80)):
        config = driver.update({"log": [{"fork": turn}]}, "before", ids[offset])
        driver.run(None, config["configurable"]["checkpoint_id"])
    driver.run(say(90))


@shape("fork", drive=fork_in_the_middle)
def fork(saver: BaseCheckpointSaver) -> Any:
    """Branches: newer ids on older parents."""
    return chain(
        State,
        node("before", doc=lambda s: {"of": s.get("n", 0)}),
        node("after"),
        checkpointer=saver,
    )


@shape("fork_with_stateful_child", drive=fork_in_the_middle)
def fork_with_stateful_child(saver: BaseCheckpointSaver) -> Any:
    """A fork whose replay bound is its parent's id, and a child whose memory obeys it."""
    child = chain(Child, remember("c1"), checkpointer=True)
    return chain(State, node("before"), calls(child, "child"), checkpointer=saver)


def fork_last(driver: Driver) -> None:
    """Leave a fork of an old checkpoint as the head, not yet run."""
    for turn in range(4):
        driver.run(say(turn))
    ids = driver.ids()
    driver.update({"log": [{"fork": 70}]}, "before", ids[len(ids) // 2])


@shape("fork_not_run_yet", drive=fork_last)
def fork_not_run_yet(saver: BaseCheckpointSaver) -> Any:
    """A fork as the head: resumed by its explicit id, as Studio does."""
    return fork_with_stateful_child(saver)


def copy_the_head(driver: Driver) -> None:
    """Copy the head and an older checkpoint without a change."""
    for turn in range(3):
        driver.run(say(turn))
    ids = driver.ids()
    driver.update(None, "__copy__", ids[len(ids) // 2])
    driver.update(None, "__copy__", ids[0])


@shape("copy", drive=copy_the_head)
def copy(saver: BaseCheckpointSaver) -> Any:
    """Copies share every blob with their original and bring none of their own."""
    return fork(saver)


def abandon_a_gate(driver: Driver) -> None:
    """Leave one branch waiting at its gate and go on from an older checkpoint."""
    driver.run(say(0))
    driver.answer({"ok": 0})
    driver.run(say(1))
    ids = driver.ids()
    config = driver.update({"log": [{"fork": 1}]}, "after", ids[-1])
    driver.run(say(2), config["configurable"]["checkpoint_id"])
    driver.answer({"ok": 2})


@shape("abandoned_gate", drive=abandon_a_gate)
def abandoned_gate(saver: BaseCheckpointSaver) -> Any:
    """An open gate on a branch that is no longer the head."""
    return gate_open(saver)


def fail_and_retry(*names: str) -> Callable[[Driver], None]:
    """Let each named node fail once per turn, then resume with None."""

    def drive(driver: Driver) -> None:
        for turn in range(3):
            value: Any = say(turn)
            for name in names:
                BROKEN.add(name)
                try:
                    driver.run(value)
                except FlakyError:
                    value = None
                finally:
                    BROKEN.discard(name)
            driver.run(value)

    return drive


@shape("failed_and_retried", drive=fail_and_retry("flaky"))
def failed_and_retried(saver: BaseCheckpointSaver) -> Any:
    """A node that failed beside a finished sibling, and was run again."""
    builder = StateGraph(State)
    for name in ("before", "flaky", "sibling", "join"):
        builder.add_node(name, node(name))
    builder.add_edge(START, "before")
    builder.add_edge("before", "flaky")
    builder.add_edge("before", "sibling")
    builder.add_edge(["flaky", "sibling"], "join")
    return builder.compile(checkpointer=saver)


@shape("child_failed_and_retried", drive=fail_and_retry("c2", "after"))
def child_failed_and_retried(saver: BaseCheckpointSaver) -> Any:
    """A subgraph that failed half-way: with exit durability its root may never be saved."""
    return plain_child(saver)


def leave_failed(driver: Driver) -> None:
    """Leave the last turn failed half-way."""
    driver.run(say(0))
    driver.run(say(1))
    BROKEN.add("c2")
    try:
        driver.run(say(2))
    except FlakyError:
        pass
    finally:
        BROKEN.discard("c2")


@shape("child_left_failed", drive=leave_failed)
def child_left_failed(saver: BaseCheckpointSaver) -> Any:
    """The head's subgraph has failed and waits for its retry."""
    return plain_child(saver)


@shape("retry_policy", drive=turns(3))
def retry_policy(saver: BaseCheckpointSaver) -> Any:
    """A node that fails once and is retried within the superstep."""
    failed: dict[str, bool] = {}

    def flaky(state: State, config: RunnableConfig) -> State:
        key = f"{config['configurable']['thread_id']}:{len(state.get('log', []))}"
        if not failed.get(key):
            failed[key] = True
            raise FlakyError("flaky")
        ran("flaky")
        return {"log": [{"flaky": state.get("n", 0)}]}

    builder = StateGraph(State)
    policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=FlakyError)
    builder.add_node("flaky", flaky, retry_policy=policy)
    builder.add_node("after", node("after"))
    builder.add_edge(START, "flaky")
    builder.add_edge("flaky", "after")
    return builder.compile(checkpointer=saver)


@shape("parent_command", drive=turns(3))
def parent_command(saver: BaseCheckpointSaver) -> Any:
    """A child that steers its parent."""

    def leave(state: Child) -> Command:
        ran("leave")
        return Command(
            graph=Command.PARENT, goto="after", update={"log": [{"left": state.get("n", 0)}]}
        )

    child = chain(Child, remember("c1"), leave)
    builder = StateGraph(State)
    builder.add_node("child", child, destinations=("after",))
    builder.add_node("after", node("after"))
    builder.add_edge(START, "child")
    return builder.compile(checkpointer=saver)


# ---------------------------------------------------------------- DeltaChannel


def delta_schema(fast: int, slow: int) -> Any:
    """Return a schema of two delta channels that snapshot every `fast` and `slow` updates."""

    class DeltaState(TypedDict, total=False):
        log: Annotated[list[Any], DeltaChannel(extend, snapshot_frequency=fast)]
        audit: Annotated[list[Any], DeltaChannel(extend, snapshot_frequency=slow)]
        n: int

    return DeltaState


def audited(name: str) -> Any:
    """Return a node that writes both delta channels."""
    return node(name, audit=lambda s: [f"{name} {s.get('n', 0)}"])


@shape("delta", drive=turns(5), delta=True)
def delta(saver: BaseCheckpointSaver) -> Any:
    """A DeltaChannel that never reached its snapshot."""
    return chain(delta_schema(100, 100), node("reply"), checkpointer=saver)


@shape("delta_two_cadences", drive=turns(5), delta=True)
def delta_two_cadences(saver: BaseCheckpointSaver) -> Any:
    """Two DeltaChannels that snapshot at different times."""
    return chain(delta_schema(3, 7), audited("reply"), node("after"), checkpointer=saver)


def overwrite_and_fork(driver: Driver) -> None:
    """Overwrite the channel in the second turn, then fork behind and before it."""
    for turn in range(4):
        driver.run(say(turn))
    ids = driver.ids()
    for offset in (len(ids) // 4, len(ids) // 2):
        config = driver.update({"log": [{"fork": offset}]}, "reply", ids[offset])
        driver.run(None, config["configurable"]["checkpoint_id"])
    driver.run(say(9))


@shape("delta_overwrite_fork", drive=overwrite_and_fork, delta=True)
def delta_overwrite_fork(saver: BaseCheckpointSaver) -> Any:
    """Overwrites and forks of a DeltaChannel."""

    def reset(state: Any) -> Any:
        ran("reset")
        return {"audit": Overwrite([f"reset {state.get('n', 0)}"])} if state.get("n") == 1 else {}

    return chain(delta_schema(4, 100), audited("reply"), reset, node("after"), checkpointer=saver)


@shape("delta_in_stateful_child", drive=turns(5), delta=True)
def delta_in_stateful_child(saver: BaseCheckpointSaver) -> Any:
    """A DeltaChannel as the memory of a child."""

    class DeltaChild(TypedDict, total=False):
        said: Annotated[list[Any], recent]
        memory: Annotated[list[Any], DeltaChannel(extend, snapshot_frequency=4)]
        n: int

    child = chain(DeltaChild, remember("c1"), checkpointer=True)
    return chain(State, calls(child, "child"), node("after"), checkpointer=saver)


@shape("delta_gate", drive=gated(4), delta=True)
def delta_gate(saver: BaseCheckpointSaver) -> Any:
    """A DeltaChannel with an open gate at the head."""
    return chain(
        delta_schema(3, 100), audited("before"), ask("gate"), node("after"), checkpointer=saver
    )


def shapes() -> Iterator[Shape]:
    """Yield every shape of the zoo."""
    yield from SHAPES.values()
