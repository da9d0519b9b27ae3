"""A thread's past as rows: which nodes ran, how long, what they changed, and where a gap is."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

MAX_CHANGES = 8
MAX_DEPTH = 3
LONGEST_TEXT = 80  # characters of a value in a row
FIRST_STEP = -1  # the number LangGraph gives to the checkpoint of an input


class Begun(Protocol):
    """What a row needs of a run."""

    @property
    def run_id(self) -> str:
        """Its id, which its checkpoints carry."""

    @property
    def started_at(self) -> datetime | None:
        """When a worker took it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two states; `kind` is `+`, `-` or `~`."""

    kind: str
    path: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What models used, as far as their messages say."""

    tokens: int = 0
    cost: float | None = None

    def __add__(self, other: "Usage") -> "Usage":
        known = [one for one in (self.cost, other.cost) if one is not None]
        return Usage(tokens=self.tokens + other.tokens, cost=sum(known) if known else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One checkpoint.

    Attributes:
        nodes: what ran to reach it and how often; empty for an input or an update.
        took_seconds: work without waiting; None when the checkpoint before is gone.
        waited_seconds: between a question and the run that answered it.
        pruned: how many checkpoints before it are gone; None when that cannot be said.
        retried: what went wrong in tasks that were done again and came through.
        gap: whether the checkpoint before it is gone.
    """

    checkpoint_id: str
    number: int | None
    source: str
    run_id: str | None
    at: datetime | None
    nodes: Mapping[str, int]
    took_seconds: float | None
    waited_seconds: float | None
    changes: Sequence[Change]
    more_changes: int
    usage: Usage
    questions: Sequence[str]
    errors: Sequence[str]
    retried: Sequence[str]
    next: Sequence[str]
    gap: bool
    pruned: int | None


class Price(Protocol):
    """What a model costs, in US dollars for a million tokens."""

    @property
    def input(self) -> float:
        """Of what it reads."""

    @property
    def output(self) -> float:
        """Of what it writes."""


NO_PRICES: Mapping[str, Price] = {}


def steps(
    history: Sequence[Mapping[str, Any]],
    runs: Sequence[Begun],
    prices: Mapping[str, Price] = NO_PRICES,
) -> list[Step]:
    """Return the rows of a thread's history, newest first like the history itself.

    `prices` are those of models, by the name that their messages give.
    """
    known = {state["checkpoint_id"]: state for state in history}
    begun = {run.run_id: run.started_at for run in runs}
    rows = []
    for index, state in enumerate(history):
        older = history[index + 1] if index + 1 < len(history) else None
        parent = known.get(state["parent_checkpoint_id"])
        rows.append(_step(state, parent, older, begun, prices))
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One time that a node ran.

    Attributes:
        checkpoint_id: the checkpoint that it led to; None while it has not come so far.
        before: the state that it was given.
        results: what it wrote, one entry for each of its tasks.
        step: the row of the timeline; None while it has not come so far.
    """

    checkpoint_id: str | None
    before: Any
    results: Sequence[Any]
    errors: Sequence[str]
    questions: Sequence[str]
    step: Step | None


def executions(
    history: Sequence[Mapping[str, Any]], rows: Sequence[Step], node: str
) -> list[Execution]:
    """Return how often a node ran in a history, the last time first."""
    after = {state["parent_checkpoint_id"]: row for state, row in zip(history, rows, strict=True)}
    found = []
    for state in history:
        tasks = [task for task in state["tasks"] if task["name"] == node]
        if tasks:
            step = after.get(state["checkpoint_id"])
            found.append(
                Execution(
                    checkpoint_id=step.checkpoint_id if step else None,
                    before=state["values"],
                    results=[task.get("result") for task in tasks],
                    errors=[shown(task["error"], 400) for task in tasks if task.get("error")],
                    questions=[one["id"] for task in tasks for one in task["interrupts"]],
                    step=step,
                )
            )
    return found


def difference(before: Any, after: Any) -> list[Change]:
    """Return how two states differ, key by key."""
    return list(_changes(before or {}, after or {}, "", MAX_DEPTH))


def shown(value: Any, limit: int = LONGEST_TEXT) -> str:
    """Return a value as a short line."""
    match value:
        case str():
            text = value
        case list():
            text = f"list of {len(value)}"
        case dict():
            text = f"{len(value)} fields"
        case None:
            text = "nothing"
        case bool():
            text = "yes" if value else "no"
        case _:
            text = str(value)
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def usage(value: Any, prices: Mapping[str, Price] = NO_PRICES) -> Usage:
    """Return what the messages inside a value say about tokens, and what those cost.

    A cost that a message carries counts; otherwise the price of its model, if there is one.
    """
    match value:
        case {"usage_metadata": {"total_tokens": int(tokens)} as told}:
            return Usage(tokens=tokens, cost=_cost(value, told, prices))
        case dict():
            return sum((usage(part, prices) for part in value.values()), Usage())
        case list():
            return sum((usage(part, prices) for part in value), Usage())
        case _:
            return Usage()


def by_run(rows: Sequence[Step]) -> dict[str, Usage]:
    """Return what each run used in these rows."""
    used: dict[str, Usage] = {}
    for row in rows:
        if row.run_id is not None:
            used[row.run_id] = used.get(row.run_id, Usage()) + row.usage
    return used


def trimmed(value: Any, limit: int = 2_000) -> Any:
    """Return a value whose long texts are cut, fit to be shown whole."""
    match value:
        case str() if len(value) > limit:
            return f"{value[:limit]}… ({len(value):,} characters)"
        case dict():
            return {key: trimmed(part, limit) for key, part in value.items()}
        case list():
            return [trimmed(part, limit) for part in value]
        case _:
            return value


def _step(
    state: Mapping[str, Any],
    parent: Mapping[str, Any] | None,
    older: Mapping[str, Any] | None,
    begun: Mapping[str, datetime | None],
    prices: Mapping[str, Price],
) -> Step:
    metadata = state["metadata"] or {}
    at = _moment(state["created_at"])
    run_id = metadata.get("run_id")
    number = metadata.get("step")
    tasks = parent["tasks"] if parent else ()
    took, waited = _times(at, parent, begun.get(str(run_id)))
    source = str(metadata.get("source", ""))
    # The pruner cuts the way back to what it removed; a number tells that there was something.
    first = 0 if source == "update" else FIRST_STEP
    numbered = isinstance(number, int) and number > first
    gap = parent is None and (bool(state["parent_checkpoint_id"]) or numbered)
    changes = difference(parent["values"] if parent else {}, state["values"]) if not gap else []
    names = Counter(task["name"] for task in tasks if task["name"] != "__start__")
    by_loop = metadata.get("source") == "loop"
    return Step(
        checkpoint_id=str(state["checkpoint_id"]),
        number=number,
        source=source,
        run_id=run_id,
        at=at,
        nodes=names if by_loop else {},
        took_seconds=took,
        waited_seconds=waited,
        changes=changes[:MAX_CHANGES],
        more_changes=max(0, len(changes) - MAX_CHANGES),
        usage=sum((usage(task.get("result"), prices) for task in tasks), Usage())
        if by_loop
        else Usage(),
        questions=[interrupt["id"] for task in state["tasks"] for interrupt in task["interrupts"]],
        errors=[shown(task["error"], 400) for task in state["tasks"] if task.get("error")],
        retried=[shown(task["error"], 200) for task in tasks if task.get("error")],
        next=list(state["next"]),
        gap=gap,
        pruned=_pruned(number, older) if gap else None,
    )


def _cost(
    message: Mapping[str, Any], used: Mapping[str, Any], prices: Mapping[str, Price]
) -> float | None:
    told = message.get("response_metadata") or {}
    carried = used.get("total_cost", (told.get("token_usage") or {}).get("cost"))
    if isinstance(carried, (int, float)):
        return float(carried)
    price = prices.get(str(told.get("model_name") or told.get("model") or ""))
    if price is None:
        return None
    read, written = used.get("input_tokens") or 0, used.get("output_tokens") or 0
    return float(read * price.input + written * price.output) / 1_000_000


def _times(
    at: datetime | None, parent: Mapping[str, Any] | None, started: datetime | None
) -> tuple[float | None, float | None]:
    before = _moment(parent["created_at"]) if parent else None
    if at is None or before is None or parent is None:
        return None, None
    if started is None or started <= before:
        return (at - before).total_seconds(), None
    asked = any(task["interrupts"] for task in parent["tasks"])
    waited = (started - before).total_seconds() if asked else None
    return max(0.0, (at - started).total_seconds()), waited


def _pruned(number: int | None, older: Mapping[str, Any] | None) -> int | None:
    if number is None:
        return None
    before = FIRST_STEP - 1 if older is None else (older["metadata"] or {}).get("step")
    return number - before - 1 if isinstance(before, int) and before < number - 1 else None


def _changes(before: Any, after: Any, path: str, depth: int) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict) and depth:
        for key in dict.fromkeys([*before, *after]):
            inner = f"{path}.{key}" if path else str(key)
            yield from _changes(before.get(key), after.get(key), inner, depth - 1)
    elif isinstance(before, list) and isinstance(after, list) and len(after) > len(before):
        yield Change(kind="+", path=path, after=f"{len(after) - len(before)} more")
    elif before is None:
        yield Change(kind="+", path=path, after=shown(after))
    elif after is None:
        yield Change(kind="-", path=path, before=shown(before))
    else:
        yield Change(kind="~", path=path, before=shown(before), after=shown(after))


def _moment(text: str | None) -> datetime | None:
    return None if not text else datetime.fromisoformat(text)
