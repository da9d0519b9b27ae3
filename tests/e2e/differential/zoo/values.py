"""What a state can hold, and which part of it is shown."""

import operator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.channels import EphemeralValue, UntrackedValue
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from pydantic import BaseModel
from typing_extensions import TypedDict


class Colour(StrEnum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)


class Person(BaseModel):
    name: str
    born: date | None = None


class Everything(TypedDict, total=False):
    raw: bytes
    at: datetime
    day: date
    ident: UUID
    price: Decimal
    colour: Colour
    point: Point
    person: Person
    people: list[Person]
    pair: tuple[int, str]
    names: set[str]
    span: timedelta
    big: int
    ratio: float
    none: None
    nested: dict[str, Any]
    keys: dict[int, str]
    text: str


def fill(state: Everything) -> Everything:
    return {
        "raw": b"\x00\xff bytes",
        "at": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "ident": UUID("12345678-1234-5678-1234-567812345678"),
        "price": Decimal("12.50"),
        "colour": Colour.RED,
        "point": Point(1, 2, ["a"]),
        "person": Person(name="Ana", born=date(1990, 1, 1)),
        "people": [Person(name="Bo")],
        "pair": (1, "one"),
        "names": {"only"},
        "span": timedelta(minutes=3),
        "big": 2**62,
        "ratio": 0.1,
        "none": None,
        "nested": {"list": [1, {"deep": [None, True]}], "empty": {}},
        "keys": {1: "one"},
        "text": "ünïcödé \N{SNOWMAN} " + "long " * 20_000,
    }


def look(state: Everything) -> Everything:
    kinds = ", ".join(f"{key}:{type(value).__name__}" for key, value in sorted(state.items()))
    return {"text": kinds}


everything = (
    StateGraph(Everything)
    .add_node("fill", fill)
    .add_node("look", look)
    .add_edge(START, "fill")
    .add_edge("fill", "look")
)


class Model(BaseModel):
    name: str
    age: int = 3
    log: Annotated[list[str], operator.add] = []


def use_model(state: Model) -> dict[str, Any]:
    return {"age": state.age + 1, "log": [f"{type(state).__name__} {state.name}"]}


pydantic_state = StateGraph(Model).add_node("use", use_model).add_edge(START, "use")


@dataclass
class Record:
    name: str = "none"
    log: Annotated[list[str], operator.add] = field(default_factory=list)


def use_record(state: Record) -> dict[str, Any]:
    return {"log": [f"{type(state).__name__} {state.name}"]}


dataclass_state = StateGraph(Record).add_node("use", use_record).add_edge(START, "use")


# What is shown of a state


class Whole(TypedDict, total=False):
    asked: str
    answered: str
    secret: str
    steps: Annotated[list[str], operator.add]


class Asked(TypedDict):
    asked: str


class Answered(TypedDict):
    answered: str


class Hidden(TypedDict):
    hidden: str


def think(state: Asked) -> Hidden:
    return {"hidden": state["asked"][::-1]}


def tell(state: Hidden) -> Whole:
    return {"answered": state["hidden"].upper(), "secret": "s", "steps": ["told"]}


schemas = (
    StateGraph(Whole, input_schema=Asked, output_schema=Answered)
    .add_node("think", think)
    .add_node("tell", tell)
    .add_edge(START, "think")
    .add_edge("think", "tell")
)


# Channels


def extend(items: list[str], writes: list[list[str]]) -> list[str]:
    return [*items, *(item for write in writes for item in write)]


class Channels(TypedDict, total=False):
    once: Annotated[str, EphemeralValue(str)]
    handle: Annotated[str, UntrackedValue(str)]
    lines: Annotated[list[str], DeltaChannel(extend, snapshot_frequency=3)]
    seen: Annotated[list[str], operator.add]


def shown(state: Channels) -> list[str]:
    return [f"{state.get('once')} {state.get('handle')} {len(state.get('lines') or [])}"]


def put(state: Channels) -> Channels:
    return {"once": "once", "handle": "open", "lines": ["a", "b"], "seen": shown(state)}


channels = (
    StateGraph(Channels)
    .add_node("put", put)
    .add_node("take", lambda state: {"seen": shown(state), "lines": ["c"]})
    .add_node("again", lambda state: {"seen": shown(state), "lines": ["d"]})
    .add_edge(START, "put")
    .add_edge("put", "take")
    .add_edge("take", "again")
)


# What surrounds a run


@dataclass
class Context:
    who: str = "nobody"
    level: int = 1


class Told(TypedDict, total=False):
    told: dict[str, Any]


def tell_context(state: Told, runtime: Runtime[Context], config: RunnableConfig) -> Told:
    configurable = config["configurable"]
    return {
        "told": {
            "context": f"{type(runtime.context).__name__} {runtime.context}",
            "mood": configurable.get("mood"),
            "user": configurable.get("user"),
            "tags": sorted(config.get("tags") or []),
            "source": (config.get("metadata") or {}).get("from"),
            "limit": config.get("recursion_limit"),
            "attempt": runtime.execution_info.node_attempt,
        }
    }


surroundings = (
    StateGraph(Told, context_schema=Context).add_node("tell", tell_context).add_edge(START, "tell")
)


class Shelf(TypedDict, total=False):
    key: str
    words: str
    found: list[Any]


async def keep(state: Shelf, *, store: BaseStore) -> Shelf:
    space = ("differential", state["key"])
    await store.aput(space, "a", {"text": state["words"], "number": 1})
    await store.aput(space, "b", {"text": "zebra crossing", "number": 2})
    await store.aput((*space, "deep"), "c", {"text": "kettle"}, index=False)
    return {}


def search(state: Shelf, runtime: Runtime) -> Shelf:
    space = ("differential", state["key"])
    item = runtime.store.get(space, "a")
    near = runtime.store.search(space, query=state["words"], limit=2)
    even = runtime.store.search(space, filter={"number": 2})
    runtime.store.delete(space, "b")
    return {
        "found": [
            item.value,
            [[hit.key, hit.value, round(hit.score or 0, 3)] for hit in near],
            [hit.key for hit in even],
            sorted(hit.key for hit in runtime.store.search(space)),
            runtime.store.list_namespaces(prefix=space),
        ]
    }


storing = (
    StateGraph(Shelf)
    .add_node("keep", keep)
    .add_node("search", search)
    .add_edge(START, "keep")
    .add_edge("keep", "search")
)


def embed(texts: list[str]) -> list[list[float]]:
    """Return for each text how often it has which letter: near when the letters are."""
    return [[text.lower().count(letter) + 0.01 for letter in "aeioukrz"] for text in texts]
