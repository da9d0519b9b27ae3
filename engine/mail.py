"""Send a mail through the operator's SMTP server."""

import asyncio
import ipaddress
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime
from typing import Any
from urllib.parse import unquote, urlsplit

from engine.errors import ConfigurationError
from engine.webhooks import DeliveryError

TIMEOUT_SECONDS = 10.0
DEFAULT_PORTS = {"smtp": 587, "smtps": 465}
PERMANENT_REPLIES = range(500, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailer:
    """An SMTP account.

    Attributes:
        secure: TLS from the start (smtps); else STARTTLS where the server offers it, which a
            server elsewhere must before it is told a password.
        sender: the address in From.
    """

    host: str
    port: int
    secure: bool
    user: str | None
    password: str | None
    sender: str

    async def send(self, *, message_id: str, to: str, content: Mapping[str, Any]) -> None:
        """Send one mail: `content` holds `subject`, `text` and perhaps `html`.

        Raises:
            DeliveryError: the server did not take it.
        """
        try:
            address = Address(addr_spec=to)
        except (HeaderParseError, ValueError) as error:
            raise DeliveryError(f"{to!r} is not a mail address", permanent=True) from error
        mail = EmailMessage()
        mail["Subject"] = " ".join(str(content["subject"]).split())
        mail["From"] = self.sender
        mail["To"] = address
        mail["Date"] = localtime()
        # The same id at each attempt: a receiver that got it twice shows it once.
        mail["Message-ID"] = f"<{message_id}@{self.host}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(str(content["text"]))
        if content.get("html"):
            mail.add_alternative(str(content["html"]), subtype="html")
        try:
            await asyncio.to_thread(self._send, mail)
        except smtplib.SMTPRecipientsRefused as error:
            code, reply = next(iter(error.recipients.values()))
            raise DeliveryError(f"{code} {reply!r}", permanent=code in PERMANENT_REPLIES) from error
        except smtplib.SMTPResponseException as error:
            raise DeliveryError(
                f"{error.smtp_code} {error.smtp_error!r}",
                permanent=error.smtp_code in PERMANENT_REPLIES,
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}") from error

    def _send(self, mail: EmailMessage) -> None:
        context = ssl.create_default_context()
        if self.secure:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        with server:
            server.ehlo()
            if not self.secure and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            if self.user is not None:
                self.check_secrecy(server)
                server.login(self.user, self.password or "")
            server.send_message(mail)

    def check_secrecy(self, server: smtplib.SMTP) -> None:
        """Keep the password from whoever took the offer of STARTTLS out of the conversation.

        Raises:
            DeliveryError: the connection is not encrypted, and leaves this machine.
        """
        if not isinstance(server.sock, ssl.SSLSocket) and not _is_this_machine(self.host):
            raise DeliveryError(
                f"{self.host} offers no encryption; the password is not sent in the clear"
            )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_mailer(url: str, sender: str | None = None) -> Mailer:
    """Return the mailer of `smtp://user:password@host:port` or `smtps://…`.

    Raises:
        ConfigurationError: the URL is of another kind.
    """
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigurationError("the mail server must be smtp://… or smtps://user:password@host")
    user = unquote(parts.username) if parts.username else None
    own = user if user and "@" in user else f"holdfast@{parts.hostname}"
    return Mailer(
        host=parts.hostname,
        port=parts.port or DEFAULT_PORTS[parts.scheme],
        secure=parts.scheme == "smtps",
        user=user,
        password=unquote(parts.password) if parts.password else None,
        sender=sender or own,
    )
