"""A node that calls `sys.exit()` ends its run, and not the process that many runs share."""

import asyncio
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

_in_graph: ContextVar[bool] = ContextVar("holdfast_in_graph", default=False)


class GraphExitError(RuntimeError):
    """A graph asked the interpreter to end."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"the graph raised {type(cause).__name__}({cause}), which ends programs")


@contextmanager
def exits_contained() -> Iterator[None]:
    """Within the block, let no task of this context end the event loop.

    asyncio passes SystemExit and KeyboardInterrupt of any task on to whoever runs the loop, past
    every handler; LangGraph runs each node in a task of its own.
    """
    loop = asyncio.get_running_loop()
    if loop.get_task_factory() is not _make_task:
        loop.set_task_factory(_make_task)
    token = _in_graph.set(True)
    try:
        yield
    finally:
        _in_graph.reset(token)


def _make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
) -> asyncio.Task[Any]:
    contained = _Contained(coroutine) if _in_graph.get() else coroutine
    return asyncio.Task(contained, loop=loop, **options)


class _Contained(Coroutine[Any, Any, Any]):
    """A coroutine whose exits are errors; an object, so that an unstarted one closes quietly."""

    def __init__(self, inner: Coroutine[Any, Any, Any]) -> None:
        self._inner = inner
        self.__name__ = self.__qualname__ = getattr(inner, "__qualname__", repr(inner))

    def send(self, value: Any) -> Any:
        try:
            return self._inner.send(value)
        except (SystemExit, KeyboardInterrupt) as error:
            _refuse(error)

    def throw(self, *error: Any) -> Any:
        try:
            return self._inner.throw(*error)
        except (SystemExit, KeyboardInterrupt) as exit_error:
            _refuse(exit_error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()


def _refuse(error: BaseException) -> NoReturn:
    raise GraphExitError(error) from error
