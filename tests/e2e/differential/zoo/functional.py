"""The functional API: entrypoints, tasks, what is remembered between runs."""

from collections import Counter
from typing import Any

from langgraph.cache.memory import InMemoryCache
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.store.base import BaseStore
from langgraph.types import CachePolicy, RetryPolicy, interrupt

SOON = RetryPolicy(initial_interval=0.01, jitter=False, retry_on=ConnectionError)
tries: Counter[str] = Counter()


@task
async def double(number: int) -> int:
    return 2 * number


@task
def shout(word: str) -> str:
    get_stream_writer()({"shouting": word})
    return word.upper()


@task(retry_policy=SOON)
def flaky(key: str) -> int:
    tries[key] += 1
    if tries[key] < 3:
        raise ConnectionError("not yet")
    return tries[key]


@task(cache_policy=CachePolicy(ttl=60))
def cached(word: str) -> int:
    return len(word)


def summing(**attached: Any) -> Any:
    """Adds to what it returned before, and remembers another value than it answers with."""

    @entrypoint(**attached)
    async def workflow(
        numbers: list[int], *, previous: int | None = None
    ) -> entrypoint.final[str, int]:
        doubled = [await future for future in [double(number) for number in numbers]]
        total = sum(doubled) + (previous or 0)
        return entrypoint.final(value=f"sum {total}", save=total)

    return workflow


def reviewing(**attached: Any) -> Any:
    """Asks between two tasks; the first is not done again."""

    @entrypoint(**attached)
    def workflow(word: str, *, previous: Any = None, store: BaseStore) -> dict[str, Any]:
        loud = shout(word).result()
        store.put(("words",), word, {"loud": loud})
        first = interrupt({"say": loud})
        second = interrupt({"say": f"{first}?"})
        return {"said": shout(f"{loud} {first} {second}").result(), "previous": previous}

    return workflow


def trying(**attached: Any) -> Any:
    """Its task fails twice, another is cached."""

    @entrypoint(cache=InMemoryCache(), **attached)
    async def workflow(key: str) -> list[int]:
        return [await flaky(key), await cached(key), await cached(key)]

    return workflow


@task
def inquire(word: str) -> str:
    return f"{word}: {interrupt(f'{word}?')}"


def inquiring(**attached: Any) -> Any:
    """Starts two tasks that each ask."""

    @entrypoint(**attached)
    async def workflow(words: list[str]) -> list[str]:
        asked = [inquire(word) for word in words]
        return [await future for future in asked]

    return workflow
