"""Domain errors: rules that were about to be broken.

Each class is one fact and carries its values as attributes; none of them knows HTTP.
"""


class DocumentError(Exception):
    """A document cannot be taken as an invoice.

    Attributes:
        code: stable, machine-readable name of the reason.
        field: where it is: an XML path, a label of the text, or `document`.
        expected: what the field must be.
        got: what the document holds, shortened.
        way_out: what to do about it, or None.
    """

    code = "unreadable_document"

    def __init__(
        self,
        field: str,
        *,
        expected: str,
        got: str,
        code: str | None = None,
        way_out: str | None = None,
    ) -> None:
        self.field = field
        self.expected = expected
        self.got = got
        self.code = code or type(self).code
        self.way_out = way_out
        super().__init__(field, expected, got)

    def __str__(self) -> str:
        sentence = f"{self.field} must be {self.expected}, got {self.got}"
        return sentence if self.way_out is None else f"{sentence}; {self.way_out}"

    def add_context(self, name: str) -> None:
        """Say which file inside the document the field is in."""
        self.field = f"{name}: {self.field}"


class UnreadableDocumentError(DocumentError):
    """The bytes are not a document that can be read: empty, too large, broken, locked, unsafe."""


class MissingFieldError(DocumentError):
    """A field that the document needs is not there."""

    code = "missing_field"

    def __init__(
        self, field: str, *, expected: str, code: str | None = None, way_out: str | None = None
    ) -> None:
        super().__init__(field, expected=expected, got="nothing", code=code, way_out=way_out)


class InvalidFieldError(DocumentError):
    """A field is there and holds something else than it must."""

    code = "invalid_field"


class WrongTotalError(DocumentError):
    """An amount differs from what the document's own figures add up to."""

    code = "wrong_total"


class IllegalMoveError(Exception):
    """A process was asked to go where its table has no way, or not yet, or not for this asker.

    Attributes:
        process: the machine's name.
        source: the state it is in.
        target: the state that was asked for, if one was named.
        event: the event that was asked for, if one was named.
        allowed: the states that the asker can have now.
        unmet: the guards that do not hold, where the edge exists.
    """

    code = "illegal_transition"

    def __init__(
        self,
        process: str,
        *,
        source: str,
        target: str | None,
        event: str | None,
        allowed: list[str],
        unmet: list[str],
    ) -> None:
        self.process = process
        self.source = source
        self.target = target
        self.event = event
        self.allowed = allowed
        self.unmet = unmet
        wanted = f"go from {source} to {target}" if target else f"{event} while it is {source}"
        why = f" because {' and '.join(unmet)}" if unmet else ""
        allowed_text = ", ".join(allowed) or "nothing"
        super().__init__(f"{process} cannot {wanted}{why}; allowed: {allowed_text}")


class InvalidGateError(Exception):
    """A question to a person contradicts itself, or its answer is of another shape.

    Attributes:
        field: the argument or part in question.
        expected: what it must be.
        got: what it is.
    """

    def __init__(self, field: str, *, expected: str, got: str) -> None:
        self.field = field
        self.expected = expected
        self.got = got
        super().__init__(f"{field} must be {expected}, got {got}")
