"""What neighbours can do to us: one class per fact."""

from state.purchase_order import Violation


class ServiceError(Exception):
    """Base of what the services raise on purpose."""


class EffectError(ServiceError):
    """An effect did not come to a good end."""

    code = "effect_failed"


class EffectRefusedError(EffectError):
    """The other side said no, for good.

    Attributes:
        code: the other side's reason, for a machine.
    """

    def __init__(self, message: str, *, code: str = "refused") -> None:
        super().__init__(message)
        self.code = code


class EffectNotAppliedError(EffectError):
    """The other side was not reached, or could not take it: nothing happened."""

    code = "not_applied"


class OutcomeUnknownError(EffectError):
    """It was sent and nobody knows what came of it: look it up before anything is repeated."""

    code = "outcome_unknown"


class EffectKeyReusedError(EffectError):
    """A key was used again for another request; one of the two is a mistake.

    Attributes:
        key: the key.
    """

    code = "key_reused"

    def __init__(self, key: str) -> None:
        super().__init__(f"effect {key!r} was begun with another request; use a key of its own")
        self.key = key


class BudgetRefusedError(EffectRefusedError):
    """A department cannot pay.

    Attributes:
        department: its code.
        currency: of the order.
    """

    def __init__(self, message: str, *, department: str, currency: str) -> None:
        super().__init__(message, code="no_budget")
        self.department = department
        self.currency = currency


class UnusableAnswerError(ServiceError):
    """A Brain's answer is no proposal.

    Attributes:
        violations: what is wrong with it, to be told to the Brain.
    """

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(violation["message"] for violation in violations))
        self.violations = violations


class BrainUnavailableError(ServiceError):
    """A Brain did not answer."""
