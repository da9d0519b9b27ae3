"""Which failures pass by themselves, and are worth another attempt of the node."""

from langgraph.errors import NodeTimeoutError

from nodes.services.database import is_outage
from nodes.services.errors import EffectNotAppliedError, OutcomeUnknownError


def is_transient(error: Exception) -> bool:
    """Tell whether trying again may help; a refusal or a bug says the same the second time."""
    passing = (EffectNotAppliedError, OutcomeUnknownError, NodeTimeoutError, TimeoutError)
    return isinstance(error, passing) or is_outage(error)
