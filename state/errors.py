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
        sentence = f"{field} must be {expected}, got {got}"
        super().__init__(sentence if way_out is None else f"{sentence}; {way_out}")


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
