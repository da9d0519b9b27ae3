"""E-mail files: the message's text and its attachments, those of forwarded messages too."""

import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime

from lxml import etree
from lxml import html as lxml_html

from nodes.services.documents.text_values import MAX_LINE
from state.errors import UnreadableDocumentError

MAX_PARTS = 100
"""Parts of one message, forwarded ones included."""
MAX_BOUNDARIES = 2_000
"""Lines that may part a message: the parser's time grows with them before any part is counted."""
MAX_HEADER = 64 * 1024
"""Characters of one part's header."""
MAX_MARKUP = 2_000_000
"""Characters of HTML that are read."""
MAX_DEPTH = 5
"""Messages inside messages."""

SLOW_CHARSETS = frozenset({"punycode", "idna"})
"""Codecs of host names, whose time grows with the square of the text."""

_BLOCKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "table", "pre"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPart:
    """A text or an attachment of a message."""

    name: str
    """File name of an attachment; empty for the message's own text."""
    media_type: str
    content: bytes
    charset: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What of a message matters for an invoice."""

    sender: str | None
    """The innermost sender's name: of a forwarded invoice, who wrote it first."""
    sent_on: str | None
    """Day of that message, ISO 8601."""
    attachments: list[MailPart]
    body: str
    """Subject and text of every message, the innermost one first."""


def parse_mail(content: bytes) -> Mail:
    """Return the parts of an e-mail file.

    Raises:
        UnreadableDocumentError: the file is no message or has too many parts.
    """
    if content.count(b"\n--") > MAX_BOUNDARIES:
        raise _too_many_parts()
    try:
        message = email.message_from_bytes(content, policy=email.policy.compat32)
        messages = list(_messages(message, 0))
        parts = [part for each in messages for part in _parts(each)]
        if len(parts) > MAX_PARTS:
            raise _too_many_parts()
        return Mail(
            sender=_sender(messages[-1]),
            sent_on=_sent_on(messages[-1]),
            attachments=[part for part in parts if part.name],
            body="\n".join(_body(each) for each in reversed(messages)),
        )
    except (MessageError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise UnreadableDocumentError(
            "document",
            expected="an e-mail file",
            got="a broken one",
            code="broken_mail",
            way_out="save the message again, or send its attachment alone",
        ) from error


def _too_many_parts() -> UnreadableDocumentError:
    return UnreadableDocumentError(
        "document",
        expected=f"an e-mail of {MAX_PARTS} parts or fewer",
        got="more",
        code="too_large",
        way_out="send the invoice alone",
    )


def html_text(markup: str) -> str:
    """Return the text of an HTML page, a table's cells parted by two spaces."""
    markup = markup[:MAX_MARKUP]
    try:
        root = lxml_html.document_fromstring(markup.encode(errors="replace"), parser=_html_parser())
    except (etree.LxmlError, ValueError):
        return ""
    pieces: list[str] = []
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if not isinstance(element.tag, str) or element.tag in {"script", "style", "head"}:
            continue
        if event == "start":
            pieces.append("\n" if element.tag in _BLOCKS else "")
            pieces.append(" ".join((element.text or "").split()))
        else:
            pieces.append("  " if element.tag in {"td", "th"} else "")
            pieces.append("\n" if element.tag in _BLOCKS else "")
            pieces.append(" " + " ".join((element.tail or "").split()) if element.tail else "")
    return "".join(pieces)


def _html_parser() -> lxml_html.HTMLParser:
    return lxml_html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)


def _messages(message: Message, depth: int) -> Iterator[Message]:
    yield message
    for part in _own_parts(message):
        if part.get_content_type() == "message/rfc822" and depth < MAX_DEPTH:
            for inner in part.get_payload():
                if isinstance(inner, Message):
                    yield from _messages(inner, depth + 1)


def _own_parts(message: Message) -> Iterator[Message]:
    """Yield the parts of a message without those of the messages inside it."""
    pending = [message]
    while pending:
        part = pending.pop(0)
        if sum(len(str(value)) for value in part.values()) > MAX_HEADER:
            raise MessageError("the header is too long")
        yield part
        if part.get_content_maintype() == "multipart" and isinstance(part.get_payload(), list):
            pending[:0] = [inner for inner in part.get_payload() if isinstance(inner, Message)]


def _parts(message: Message) -> Iterator[MailPart]:
    for part in _own_parts(message):
        if part.get_content_maintype() in {"multipart", "message"}:
            continue
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            continue
        yield MailPart(
            name=_file_name(part),
            media_type=part.get_content_type(),
            content=content,
            charset=part.get_content_charset(),
        )


def _file_name(part: Message) -> str:
    name = _decoded(part.get_filename())
    if name:
        return name
    if part.get_content_maintype() == "text" and part.get_content_subtype() in {"plain", "html"}:
        return "attachment" if part.get_content_disposition() == "attachment" else ""
    return f"attachment.{part.get_content_subtype().removeprefix('x-')}"


def _body(message: Message) -> str:
    texts = [part for part in _parts(message) if not part.name]
    plain = [part_text(part) for part in texts if part.media_type == "text/plain"]
    if not any(text.strip() for text in plain):
        plain = [html_text(part_text(part)) for part in texts]
    return "\n".join([_decoded(message.get("Subject")), *plain])


def part_text(part: MailPart) -> str:
    """Return the text of a part; a charset that does not exist or fit reads as Windows-1252."""
    for charset in (part.charset, "utf-8", "cp1252"):
        try:
            if charset not in SLOW_CHARSETS:
                return part.content.decode(charset or "utf-8")
        except (LookupError, ValueError):
            continue
    return part.content.decode("latin-1")


def _sender(message: Message) -> str | None:
    header = _decoded(message.get("From"))
    name, _, address = header.partition("<")
    domain = (address or name).partition("@")[2].strip(" >")
    return name.strip(' "') if address and name.strip(' "') else domain or None


def _sent_on(message: Message) -> str | None:
    try:
        return parsedate_to_datetime(_decoded(message.get("Date"))).date().isoformat()
    except (ValueError, TypeError, IndexError):
        return None


def _decoded(header: object) -> str:
    if header is None:
        return ""
    try:
        text = str(header)[:MAX_LINE]
        return " ".join(str(make_header(decode_header(text))).split())
    except (LookupError, ValueError, MessageError):
        return str(header)[:MAX_LINE]
