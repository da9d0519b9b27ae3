"""Messages to the outside: written with the fact they tell of, delivered at least once."""

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from prometheus_client import Counter

from engine.database import Connection, Database, statement
from engine.errors import NotFoundError
from engine.mail import Mailer
from engine.values import jsonb, text, to_storable_json
from engine.webhooks import DeliveryError, WebhookSender

log = logging.getLogger(__name__)

Kind = Literal["webhook", "email", "slack"]

# Pauses before the second, third … attempt, as the Standard Webhooks specification advises.
BACKOFF_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAX_DELAY_SECONDS = 86_400.0
JITTER = 0.1
BATCH = 20
# Longer than any attempt takes: until then no other process tries the same message.
CLAIM_SECONDS = 60.0
KEPT_DAYS = 7
TIDY_BATCH = 5_000

deliveries = Counter(
    "holdfast_deliveries_total", "Attempts to deliver a message", ["kind", "outcome"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it is listed.

    Attributes:
        target: URL or mail address.
        attempts: how often it was tried.
        next_at: when it is due (again).
        last_error: why the last attempt failed.
    """

    message_id: str
    kind: Kind
    target: str
    state: str
    attempts: int
    next_at: datetime
    last_error: str | None
    created_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """The outbox of the database's tenant; `mailer` is None where no mail server is set."""

    database: Database
    sender: WebhookSender
    mailer: Mailer | None = None

    async def put(
        self,
        connection: Connection,
        *,
        kind: Kind,
        target: str,
        payload: Any,
        headers: Mapping[str, str] | None = None,
        message_id: str | None = None,
    ) -> str:
        """Write a message in the caller's transaction; it is sent if and when that commits.

        Where the project has switched webhooks off, one to a caller's address is dropped.

        Args:
            connection: the caller's transaction.
            kind: `webhook` (signed JSON), `slack` (JSON with `text`), `email`.
            target: URL or mail address.
            payload: the JSON to post; for a mail `subject`, `text` and perhaps `html`.
            headers: sent with a webhook.
            message_id: also the receiver's means to drop a repetition; the same id is one message.

        Returns:
            The message's id.
        """
        message_id = message_id or str(uuid4())
        policy = self.sender.policy
        if kind == "webhook" and policy.silent and target not in policy.trusted_targets:
            return message_id
        await connection.execute(
            statement("insert_message"),
            {
                "tenant": self.database.tenant,
                "message_id": message_id,
                "kind": kind,
                "target": text(target),
                "payload": jsonb(payload),
                "headers": jsonb(headers or {}),
            },
        )
        return message_id

    async def deliver_due(self) -> int:
        """Try every message that is due, a batch at a time; returns how many were delivered."""
        delivered = 0
        while True:
            async with self.database.transaction() as connection:
                cursor = await connection.execute(
                    statement("claim_messages"),
                    {
                        "tenant": self.database.tenant,
                        "claim_seconds": CLAIM_SECONDS,
                        "limit": BATCH,
                    },
                )
                rows = await cursor.fetchall()
            outcomes = await asyncio.gather(*(self._attempt(row) for row in rows))
            delivered += sum(outcomes)
            if len(rows) < BATCH:
                return delivered

    async def list(self, state: str, *, limit: int = 100) -> list[Message]:
        """Return messages that are `pending`, `delivered` or `dead`, newest first."""
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("list_messages"),
                {"tenant": self.database.tenant, "state": state, "limit": limit},
            )
            return [Message(**row) for row in await cursor.fetchall()]

    async def counts(self) -> dict[str, int]:
        """Return how many messages are in each state."""
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("count_messages"), {"tenant": self.database.tenant}
            )
            return {row["state"]: row["total"] for row in await cursor.fetchall()}

    async def retry(self, message_id: str) -> None:
        """Let a dead message be tried again.

        Raises:
            NotFoundError: there is no such dead message.
        """
        async with self.database.transaction() as connection:
            cursor = await connection.execute(
                statement("retry_message"),
                {"tenant": self.database.tenant, "message_id": message_id},
            )
            if cursor.rowcount == 0:
                raise NotFoundError("dead message", message_id)

    async def tidy(self) -> int:
        """Forget messages delivered more than `KEPT_DAYS` ago; returns how many."""
        return await self.database.delete_in_batches(
            "delete_delivered_messages", {"kept_days": KEPT_DAYS}, limit=TIDY_BATCH
        )

    async def _attempt(self, row: Mapping[str, Any]) -> bool:
        try:
            await self._send(row)
        except DeliveryError as error:
            await self._settle_failure(row, error)
            return False
        deliveries.labels(row["kind"], "delivered").inc()
        await self._settle(row, "delivered", None, 0.0)
        return True

    async def _send(self, row: Mapping[str, Any]) -> None:
        if row["kind"] == "email":
            if self.mailer is None:
                raise DeliveryError("no mail server is set", permanent=True)
            await self.mailer.send(
                message_id=row["message_id"], to=row["target"], content=row["payload"]
            )
            return
        await self.sender.send(
            message_id=row["message_id"],
            url=row["target"],
            body=to_storable_json(row["payload"]).encode(),
            headers=row["headers"],
            signed=row["kind"] == "webhook",
        )

    async def _settle_failure(self, row: Mapping[str, Any], error: DeliveryError) -> None:
        attempts = row["attempts"]
        dead = error.permanent or attempts > len(BACKOFF_SECONDS)
        deliveries.labels(row["kind"], "dead" if dead else "failed").inc()
        log.warning(
            "delivery_failed",
            extra={"message_id": row["message_id"], "attempts": attempts, "dead": dead},
        )
        if dead:
            await self._settle(row, "dead", str(error), 0.0)
            return
        pause = BACKOFF_SECONDS[attempts - 1] * (1 + random.uniform(0, JITTER))  # noqa: S311 - spreads load, hides nothing
        pause = max(pause, error.retry_after_seconds or 0.0)
        await self._settle(row, "pending", str(error), min(pause, MAX_DELAY_SECONDS))

    async def _settle(
        self, row: Mapping[str, Any], state: str, error: str | None, delay_seconds: float
    ) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                statement("settle_message"),
                {
                    "tenant": self.database.tenant,
                    "message_id": row["message_id"],
                    "attempts": row["attempts"],
                    "state": state,
                    "error": None if error is None else text(error)[:2_000],
                    "delay_seconds": delay_seconds,
                },
            )
