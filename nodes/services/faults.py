"""Which failures pass by themselves, and are worth another attempt of the node."""

from langgraph.errors import NodeTimeoutError

from nodes.services.database import is_outage
from nodes.services.errors import EffectNotAppliedError, OutcomeUnknownError


def is_transient(error: Exception) -> bool:
    """Tell whether trying again may help; a refusal or a bug says the same the second time."""
    passing = (EffectNotAppliedError, OutcomeUnknownError, NodeTimeoutError, TimeoutError)
    return isinstance(error, passing) or is_outage(error)


class HandledErrors:
    """Keeps the errors that a graph's error handlers have dealt with, for as long as the graph.

    LangGraph (1.2.22) knows a handled error by its `id()` only. Once the error is freed, a later
    one, or the interrupt that asks a person, may be made at the same address and is then taken for
    handled: the graph ends as if nothing had happened. What is kept is never freed.
    """

    def __init__(self) -> None:
        self._kept: list[BaseException] = []

    def keep(self, error: BaseException) -> None:
        """Keep an error that is being handled."""
        self._kept.append(error)
