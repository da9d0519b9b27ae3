"""What a Brain may propose and what a person may answer about a purchase order.

Anything else is refused before it touches the state.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from state.money import LARGEST_AMOUNT
from state.purchase_order import MAX_ITEM, MAX_LINES, Stage


def _plain(text: str) -> str:
    # A database keeps no NUL, and a screen should not be moved by what a model says.
    return "".join(sign if sign.isprintable() else " " for sign in text)


PlainText = Annotated[str, AfterValidator(_plain)]


class Proposal(BaseModel):
    """What a Brain may say: where the order should go, and the figures for it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    stage: Stage = Field(description="Where the order should go next.")
    department: str = Field(min_length=1, max_length=64, description="Code of the department.")
    amount: int = Field(description="Amount to pay, minor units of the currency.")
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217 code.")
    concerns: list[PlainText] = Field(
        max_length=8, description="What a person should look at; empty when nothing is odd."
    )
    rationale: PlainText = Field(
        max_length=600, description="Why this department, in one sentence."
    )


class EditedLine(BaseModel):
    """A line as a reviewer wants it."""

    model_config = ConfigDict(extra="forbid")

    item: str = Field(min_length=1, max_length=MAX_ITEM)
    quantity: str = Field(pattern=r"^-?\d+(\.\d+)?$", max_length=40, description="Decimal text.")
    amount: int = Field(
        strict=True,
        ge=-LARGEST_AMOUNT,
        le=LARGEST_AMOUNT,
        description="Net amount, minor units; below zero where a line takes something back.",
    )


class OrderEdit(BaseModel):
    """What a reviewer may change; a field that is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    department: str | None = Field(default=None, min_length=1, max_length=64)
    amount: int | None = Field(
        default=None, strict=True, ge=1, le=LARGEST_AMOUNT, description="To pay, minor units."
    )
    currency: str | None = Field(
        default=None, pattern="^[A-Z]{3}$", description="The invoice's; it cannot be changed."
    )
    lines: list[EditedLine] | None = Field(default=None, max_length=MAX_LINES)


class ErpFinding(BaseModel):
    """What a person found in the ERP about an order in doubt."""

    model_config = ConfigDict(extra="forbid")

    erp_order_id: str = Field(min_length=1, max_length=120, description="The ERP's own number.")
    evidence: str = Field(
        default="", max_length=2000, description="Where it was seen, for the audit log."
    )


class Spoken(BaseModel):
    """What every answer may carry besides its verdict."""

    model_config = ConfigDict(extra="forbid")

    message: str | None = Field(default=None, max_length=20_000)
    decided_by: str | None = None
    expired: bool = Field(default=False, description="Given by the clock in a person's place.")


class Approve(Spoken):
    """Go ahead as proposed."""

    type: Literal["approve"]


class Reject(Spoken):
    """Do not order; `message` says why."""

    type: Literal["reject"]


class Expired(Spoken):
    """Nobody answered in time; said by the clock, never by a person."""

    type: Literal["expired"]


class EditedOrder(BaseModel):
    """An order with a reviewer's changes."""

    name: str
    args: OrderEdit


class EditOrder(Spoken):
    """Go ahead with changes; they are checked again."""

    type: Literal["edit"]
    edited_action: EditedOrder


class FoundOrder(BaseModel):
    """The ERP's order for one in doubt."""

    name: str
    args: ErpFinding


class ConfirmOrder(Spoken):
    """The ERP has the order, under this number."""

    type: Literal["edit"]
    edited_action: FoundOrder


class _OneDecision(BaseModel):
    """The answer to one question: a list of one, as review clients write it, or the one alone."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _wrap(cls, value: object) -> object:
        if isinstance(value, dict) and "type" in value and "decisions" not in value:
            return {"decisions": [value]}
        return value


class OrderDecision(_OneDecision):
    """The answer about an order: approve, edit, reject."""

    decisions: list[
        Annotated[Approve | EditOrder | Reject | Expired, Field(discriminator="type")]
    ] = Field(min_length=1, max_length=1)


class ProposalDecision(_OneDecision):
    """The answer about a proposal that the rules refuse as it is: edit, reject."""

    decisions: list[Annotated[EditOrder | Reject | Expired, Field(discriminator="type")]] = Field(
        min_length=1, max_length=1
    )


class NoteDecision(_OneDecision):
    """The answer about a document that orders nothing: approve (noted), reject."""

    decisions: list[Annotated[Approve | Reject | Expired, Field(discriminator="type")]] = Field(
        min_length=1, max_length=1
    )


class DoubtDecision(_OneDecision):
    """The answer about an order in doubt: approve (look again), edit (it is there), reject."""

    decisions: list[
        Annotated[Approve | ConfirmOrder | Reject | Expired, Field(discriminator="type")]
    ] = Field(min_length=1, max_length=1)
