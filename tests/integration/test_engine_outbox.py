import asyncio
import base64
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.database import Database, open_database
from engine.errors import ConfigurationError, InvalidValueError, NotFoundError
from engine.keys import signing_key
from engine.mail import make_mailer
from engine.outbox import Outbox
from engine.project import Webhooks
from engine.webhooks import WebhookPolicy, WebhookSender, check_headers, make_policy

KEY = b"secret"


@dataclass
class Receiver:
    """A tiny web server that keeps what it got and answers what it is told to."""

    answers: list[tuple[int, str]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append((head[0], headers, body))
        status, extra = self.answers.pop(0) if self.answers else (200, "")
        writer.write(f"HTTP/1.1 {status} X\r\n{extra}content-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=1"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


@pytest.fixture
async def database(migrated_database: str) -> AsyncIterator[Database]:
    async with open_database(migrated_database, max_connections=8) as database:
        yield database


def policy(**changes: Any) -> WebhookPolicy:
    return make_policy(
        Webhooks.model_validate({"url": {"require_https": False}, **changes}),
        private_hosts=["127.0.0.0/8"],
    )


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database=database, sender=WebhookSender(policy=policy(), key=KEY))


async def put(outbox: Outbox, target: str, **options: Any) -> str:
    options = {"kind": "webhook", "payload": {"run_id": "r1"}, **options}
    async with outbox.database.transaction() as connection:
        return await outbox.put(connection, target=target, **options)


async def make_due(outbox: Outbox) -> None:
    async with outbox.database.transaction() as connection:
        await connection.execute("UPDATE holdfast.outbox SET next_at = clock_timestamp()")


async def test_a_webhook_arrives_signed_over_id_time_and_body(
    outbox: Outbox, receiver: Receiver
) -> None:
    message_id = await put(outbox, receiver.url, headers={"x-mine": "1"})

    assert await outbox.deliver_due() == 1

    line, headers, body = receiver.requests[0]
    signed = f"{message_id}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert line == "POST /hook?a=1 HTTP/1.1"
    assert json.loads(body) == {"run_id": "r1"}
    assert headers["webhook-id"] == message_id
    assert headers["webhook-signature"].removeprefix("v1,") == expected.lower()
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["x-mine"] == "1"


async def test_a_delivered_message_is_not_sent_again(outbox: Outbox, receiver: Receiver) -> None:
    await put(outbox, receiver.url)
    await outbox.deliver_due()
    await make_due(outbox)

    assert await outbox.deliver_due() == 0
    assert len(receiver.requests) == 1


async def test_a_message_of_a_rolled_back_transaction_is_never_sent(
    outbox: Outbox, receiver: Receiver
) -> None:
    async with (
        outbox.database.pool.connection() as connection,
        connection.transaction(force_rollback=True),
    ):
        await outbox.put(connection, kind="webhook", target=receiver.url, payload={})

    assert await outbox.deliver_due() == 0


async def test_the_same_id_is_one_message(outbox: Outbox, receiver: Receiver) -> None:
    await put(outbox, receiver.url, message_id="run-r1")
    await put(outbox, receiver.url, message_id="run-r1")

    await outbox.deliver_due()

    assert len(receiver.requests) == 1


async def test_two_processes_do_not_send_the_same_message(
    outbox: Outbox, receiver: Receiver
) -> None:
    for _ in range(30):
        await put(outbox, receiver.url)

    delivered = await asyncio.gather(*(outbox.deliver_due() for _ in range(3)))

    assert sum(delivered) == len(receiver.requests) == 30


async def test_a_failed_attempt_is_repeated_later_with_the_same_id(
    outbox: Outbox, receiver: Receiver
) -> None:
    receiver.answers.append((500, ""))
    await put(outbox, receiver.url)

    first = await outbox.deliver_due()
    at_once = await outbox.deliver_due()
    (waiting,) = await outbox.list("pending")
    await make_due(outbox)
    later = await outbox.deliver_due()

    assert (first, at_once, later) == (0, 0, 1)
    assert waiting.last_error == "answered 500"
    assert len({headers["webhook-id"] for _, headers, _ in receiver.requests}) == 1


async def test_the_receivers_wish_to_wait_is_granted(outbox: Outbox, receiver: Receiver) -> None:
    receiver.answers.append((503, "retry-after: 3600\r\n"))
    await put(outbox, receiver.url)

    await outbox.deliver_due()

    (waiting,) = await outbox.list("pending")
    assert (waiting.next_at - waiting.created_at).total_seconds() > 3_500


async def test_a_message_dies_after_the_last_attempt_and_can_be_revived(
    outbox: Outbox, receiver: Receiver
) -> None:
    receiver.answers.extend([(500, "")] * 10)
    message_id = await put(outbox, receiver.url)
    for _ in range(12):
        await make_due(outbox)
        await outbox.deliver_due()

    dead = await outbox.list("dead")
    await outbox.retry(message_id)

    assert [(message.message_id, message.attempts) for message in dead] == [(message_id, 10)]
    assert await outbox.deliver_due() == 1
    assert await outbox.counts() == {"delivered": 1}


async def test_a_receiver_that_is_gone_for_good_is_not_tried_again(
    outbox: Outbox, receiver: Receiver
) -> None:
    receiver.answers.append((410, ""))
    await put(outbox, receiver.url)

    await outbox.deliver_due()

    assert await outbox.counts() == {"dead": 1}


async def test_only_a_dead_message_can_be_revived(outbox: Outbox) -> None:
    with pytest.raises(NotFoundError):
        await outbox.retry("absent")


async def test_a_redirect_is_not_followed(outbox: Outbox, receiver: Receiver) -> None:
    receiver.answers.append((302, "location: http://169.254.169.254/\r\n"))
    await put(outbox, receiver.url)

    await outbox.deliver_due()

    (waiting,) = await outbox.list("pending")
    assert waiting.last_error == "answered 302"


async def test_a_slack_message_is_posted_unsigned(outbox: Outbox, receiver: Receiver) -> None:
    await put(outbox, receiver.url, kind="slack", payload={"text": "hello"})

    await outbox.deliver_due()

    _, headers, body = receiver.requests[0]
    assert json.loads(body) == {"text": "hello"}
    assert "webhook-signature" not in headers


FORBIDDEN = [
    "https://127.0.0.1/x",
    "https://localhost/x",
    "https://10.1.2.3/x",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/x",
    "https://[::ffff:127.0.0.1]/x",
    "https://[64:ff9b::7f00:1]/x",
    "https://[2002:7f00:1::]/x",
    "https://[fe80::1]/x",
    "https://[fec0::1]/x",
    "https://[::7f00:1]/x",
    "https://[::ffff:0:7f00:1]/x",
    "https://[64:ff9b:1::7f00:1]/x",
    "https://168.63.129.16/x",
    "https://192.0.0.192/x",
    "https://100.64.0.1/x",
    "https://224.0.0.1/x",
    "https://0.0.0.0/x",
    "http://example.com/x",
    "ftp://example.com/x",
    "/relative",
    "https://user:password@example.com/x",
    "https://example.com/" + "a" * 3_000,
    "https://",
    "https://exa mple.com:port/",
]


@pytest.mark.parametrize("url", FORBIDDEN)
def test_an_address_inside_or_unsafe_is_refused_when_it_is_given(url: str) -> None:
    with pytest.raises(InvalidValueError, match="/webhook"):
        make_policy(Webhooks()).check_url(url)


def test_a_public_https_address_is_accepted() -> None:
    make_policy(Webhooks()).check_url("https://hooks.example.com/x")
    make_policy(Webhooks()).check_url("https://93.184.215.14:8443/x")


def test_a_list_of_domains_and_ports_is_kept_to() -> None:
    strict = policy(
        url={"allowed_domains": ["*.corp.example", "hooks.example.com"], "allowed_ports": [443]}
    )

    strict.check_url("https://a.corp.example/x")
    strict.check_url("https://hooks.example.com/x")

    for url in (
        "https://corp.example/x",
        "https://evil.com/x",
        "https://evilcorp.example/x",
        "https://hooks.example.com:8443/x",
    ):
        with pytest.raises(InvalidValueError):
            strict.check_url(url)


Resolver = Callable[..., Any]


@asynccontextmanager
async def names(
    monkeypatch: pytest.MonkeyPatch, *answers: list[str]
) -> AsyncIterator[list[tuple[str, int]]]:
    """Let every name resolve to the given answers, one after the other; yields connections made."""
    pending, connected = list(answers), []
    loop = asyncio.get_running_loop()
    real_connect = loop.create_connection

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        addresses = pending.pop(0) if len(pending) > 1 else pending[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    async def create_connection(factory: Any, host: str, port: int, **options: Any) -> Any:
        connected.append((host, port))
        return await real_connect(factory, host, port, **options)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "getaddrinfo", getaddrinfo)
        patch.setattr(loop, "create_connection", create_connection)
        yield connected


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.7"]])
async def test_a_public_name_of_a_private_address_reaches_nothing(
    database: Database,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
) -> None:
    sender = WebhookSender(
        policy=make_policy(Webhooks.model_validate({"url": {"require_https": False}})), key=KEY
    )
    outbox = Outbox(database=database, sender=sender)
    await put(outbox, f"http://rebind.example:{receiver.port}/x")

    async with names(monkeypatch, addresses):
        await outbox.deliver_due()

    (dead,) = await outbox.list("dead")
    assert dead.last_error == "rebind.example is not a public address"
    assert receiver.requests == []


async def test_the_connection_goes_to_the_address_that_was_checked(
    outbox: Outbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(outbox, f"http://hooks.example:{receiver.port}/x")

    async with names(monkeypatch, ["127.0.0.1"], ["10.0.0.7"]) as connected:
        assert await outbox.deliver_due() == 1

    assert connected == [("127.0.0.1", receiver.port)]
    assert receiver.requests[0][1]["host"] == f"hooks.example:{receiver.port}"


def test_a_header_may_only_name_variables_with_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LG_WEBHOOK_TOKEN", "t0k")
    monkeypatch.setenv("DATABASE_PASSWORD", "no")

    made = policy(headers={"Authorization": "Bearer ${{ env.LG_WEBHOOK_TOKEN }}"})

    assert made.headers == {"authorization": "Bearer t0k"}
    with pytest.raises(ConfigurationError, match="DATABASE_PASSWORD"):
        policy(headers={"x": "${{ env.DATABASE_PASSWORD }}"})
    with pytest.raises(ConfigurationError, match="is not set"):
        policy(headers={"x": "${{ env.LG_WEBHOOK_ABSENT }}"})


@pytest.mark.parametrize(
    "headers",
    [{"Host": "x"}, {"webhook-id": "x"}, {"a b": "x"}, {"a": "x\r\ny: z"}, {"Content-Length": "1"}],
)
def test_headers_that_would_break_the_request_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidValueError):
        check_headers(headers)


async def test_the_signing_key_is_made_once_and_an_operators_key_wins(database: Database) -> None:
    made = await asyncio.gather(*(signing_key(database, None, name="webhooks") for _ in range(4)))

    assert len(set(made)) == 1
    assert len(made[0]) >= 32
    assert await signing_key(database, "mine", name="webhooks") == b"mine"


@dataclass
class MailServer:
    """Just enough SMTP to take a mail or refuse it."""

    refusal: str = ""
    mails: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line.split(":", maxsplit=1)[0].split()[0].upper()
            if verb == "DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(b"250 taken\r\n")
            elif verb == "RCPT" and self.refusal:
                writer.write(f"{self.refusal}\r\n".encode())
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def mail_server(refusal: str = "") -> AsyncIterator[tuple[MailServer, str]]:
    mails = MailServer(refusal)
    server = await asyncio.start_server(mails.handle, "127.0.0.1", 0)
    async with server:
        yield mails, f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


MAIL = {"subject": "A review\nwaits", "text": "Please look.", "html": "<p>Please look.</p>"}


async def test_a_mail_is_handed_to_the_mail_server(database: Database) -> None:
    async with mail_server() as (server, url):
        sender = WebhookSender(policy=policy(), key=KEY)
        outbox = Outbox(database=database, sender=sender, mailer=make_mailer(url, "a@b.example"))
        message_id = await put(outbox, "ada@example.com", kind="email", payload=MAIL)

        assert await outbox.deliver_due() == 1

    assert "To: ada@example.com" in server.mails[0]
    assert "Subject: A review waits" in server.mails[0]
    assert f"Message-ID: <{message_id}@127.0.0.1>" in server.mails[0]


@pytest.mark.parametrize(
    ("refusal", "state"), [("550 no such user", "dead"), ("451 later", "pending")]
)
async def test_a_mail_refused_for_good_is_dead_else_it_is_tried_again(
    database: Database, refusal: str, state: str
) -> None:
    async with mail_server(refusal) as (_, url):
        sender = WebhookSender(policy=policy(), key=KEY)
        outbox = Outbox(database=database, sender=sender, mailer=make_mailer(url, "a@b.example"))
        await put(outbox, "ada@example.com", kind="email", payload=MAIL)

        await outbox.deliver_due()

    assert await outbox.counts() == {state: 1}


async def test_a_mail_without_a_mail_server_is_dead(outbox: Outbox) -> None:
    await put(outbox, "ada@example.com", kind="email", payload=MAIL)

    await outbox.deliver_due()

    (dead,) = await outbox.list("dead")
    assert dead.last_error == "no mail server is set"
