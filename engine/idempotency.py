"""Idempotency keys: the same request sent twice is done once and answered twice."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from engine.database import Connection, Database, statement
from engine.errors import IdempotencyInFlightError, IdempotencyMismatchError, InvalidValueError
from engine.values import jsonb

KEPT_DAYS = 7
TIDY_BATCH = 5_000
_KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that carries a key.

    Attributes:
        key: chosen by the client, 1 to 255 printable ASCII characters.
        route: what the key is good for: method, route and caller.
        fingerprint: SHA-256 over method, path and canonical body, hex.
    """

    key: str
    route: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What the first call with a key did.

    Attributes:
        resource_id: the run or decision that it made.
        status: its HTTP status; None while its answer is still being made.
    """

    resource_id: str | None
    status: int | None
    headers: Mapping[str, str]
    body: Any


def make_call(*, key: str, method: str, route: str, path: str, body: Any, caller: str = "") -> Call:
    """Return a call with its fingerprint.

    Args:
        key: the header's value, in quotes or not.
        method: HTTP method.
        route: the route's template, such as `/threads/{thread_id}/runs`.
        path: the path and query asked for.
        body: the decoded body.
        caller: the authenticated user; keys of different users never meet.

    Raises:
        InvalidValueError: the key is not 1 to 255 printable ASCII characters.
    """
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        raise InvalidValueError(
            "/headers/idempotency-key", "1 to 255 printable ASCII characters", key
        )
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256("\n".join((method, path, canonical)).encode())
    return Call(key=key, route=f"{caller} {method} {route}", fingerprint=digest.hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """The keys of the database's tenant, kept for `KEPT_DAYS`."""

    database: Database

    async def begin(
        self, connection: Connection, call: Call, *, lasting: bool = False
    ) -> Replay | None:
        """Take the key in the transaction that does the work; None means: do it.

        An equal call that is not committed yet is waited for, as long as the connection's
        `lock_timeout` allows. With `lasting` the work is done elsewhere, and this transaction
        stands by for as long as it takes.

        Raises:
            IdempotencyMismatchError: the key was used with another request.
            IdempotencyInFlightError: the first call has not made anything yet.
        """
        try:
            async with connection.transaction():
                cursor = await connection.execute(
                    statement("claim_idempotency_key"),
                    {**self._parameters(call), "kept_days": KEPT_DAYS},
                )
                if await cursor.fetchone() is not None:
                    if lasting:
                        await connection.execute(statement("allow_idleness"))
                    return None
        except psycopg.errors.LockNotAvailable as error:
            raise _in_flight(call) from error
        cursor = await connection.execute(statement("read_idempotency_key"), self._parameters(call))
        row = await cursor.fetchone()
        if row is None:
            raise _in_flight(call)
        if row["fingerprint"] != call.fingerprint:
            raise IdempotencyMismatchError(
                f"idempotency key {call.key!r} was used with another request;"
                " use a new key for a new request",
                key=call.key,
            )
        if row["status"] is None and row["resource_id"] is None:
            raise _in_flight(call)
        return Replay(
            resource_id=row["resource_id"],
            status=row["status"],
            headers=row["headers"],
            body=row["body"],
        )

    async def finish(
        self,
        connection: Connection,
        call: Call,
        *,
        resource_id: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> None:
        """Keep what the call made, in the same transaction, and its answer if there is one.

        A call whose answer takes long (a stream, a wait) keeps the run's id alone: its repetition
        joins that run.
        """
        await connection.execute(
            statement("finish_idempotency_key"),
            {
                **self._parameters(call),
                "resource_id": resource_id,
                "status": status,
                "headers": jsonb(headers or {}),
                "body": jsonb(body),
            },
        )

    async def tidy(self) -> int:
        """Forget keys whose time is over; returns how many."""
        return await self.database.delete_in_batches(
            "delete_old_idempotency_keys", {"kept_days": KEPT_DAYS}, limit=TIDY_BATCH
        )

    def _parameters(self, call: Call) -> dict[str, Any]:
        return {
            "tenant": self.database.tenant,
            "key": call.key,
            "route": call.route,
            "fingerprint": call.fingerprint,
        }


def _in_flight(call: Call) -> IdempotencyInFlightError:
    return IdempotencyInFlightError(
        f"the first request with idempotency key {call.key!r} is still at work", key=call.key
    )
