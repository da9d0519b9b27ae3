"""The append-only, hash-chained log of who did what; it outlives the checkpoints."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, Unpack

from engine.database import Connection, Database, statement
from engine.values import jsonb, text

VERIFY_BATCH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the log.

    Attributes:
        seq: place in the tenant's chain, from 1, without gaps.
        at: when it was said, by the database's clock.
        actor: the person or program that acted.
        via: the way it came: console, api, link, timer, system.
        action: noun and verb, such as `gate.decided`.
        hash: SHA-256 over this entry and the hash before it, hex.
    """

    seq: int
    at: datetime
    actor: str
    via: str
    action: str
    thread_id: str | None
    run_id: str | None
    gate_id: str | None
    details: Mapping[str, Any]
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What a walk over the log found.

    Attributes:
        entries: how many entries were read.
        head_hash: the last hash; keep it elsewhere to notice a log that was cut short.
        broken_at: seq of the first entry that does not follow from the one before; None if sound.
        reason: what is wrong there, or an empty string.
    """

    entries: int
    head_hash: str
    broken_at: int | None = None
    reason: str = ""


class AuditFilter(TypedDict, total=False):
    """Which entries are meant; what is left out or None means all of them.

    `actor` is compared whatever its case; `since` is the first instant, `until` the first that is
    too late.
    """

    thread_id: str | None
    run_id: str | None
    gate_id: str | None
    action: str | None
    actor: str | None
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Writes and reads the log of the database's tenant."""

    database: Database

    async def append(
        self,
        connection: Connection,
        *,
        actor: str,
        via: str,
        action: str,
        thread_id: str | None = None,
        run_id: str | None = None,
        gate_id: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Add an entry in the caller's transaction; it joins the chain when that commits."""
        await connection.execute(
            statement("append_audit"),
            {
                "tenant": self.database.tenant,
                "actor": text(actor),
                "via": via,
                "action": action,
                "thread_id": thread_id,
                "run_id": run_id,
                "gate_id": gate_id,
                "details": jsonb(details or {}),
            },
        )

    async def list(
        self, *, before_seq: int | None = None, limit: int = 100, **of: Unpack[AuditFilter]
    ) -> list[AuditEntry]:
        """Return entries, newest first; `before_seq` continues an earlier page."""
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("list_audit"),
                {**self._bound(of), "before_seq": before_seq, "limit": limit},
            )
            return [AuditEntry(**row) for row in await cursor.fetchall()]

    async def count(self, *, before_seq: int | None = None, **of: Unpack[AuditFilter]) -> int:
        """Return how many entries there are, of those before `before_seq` if given."""
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("count_audit"), {**self._bound(of), "before_seq": before_seq}
            )
            row = await cursor.fetchone()
            return 0 if row is None else int(row["entries"])

    def _bound(self, of: AuditFilter) -> dict[str, Any]:
        named = dict.fromkeys(AuditFilter.__annotations__)
        return {"tenant": self.database.tenant, **named, **of}

    async def verify(self) -> ChainReport:
        """Recompute the whole chain, in batches, and say where it breaks."""
        seq, head, entries = 0, "", 0
        async with self.database.pool.connection() as connection:
            while True:
                cursor = await connection.execute(
                    statement("read_audit_chain"),
                    {"tenant": self.database.tenant, "after_seq": seq, "limit": VERIFY_BATCH},
                )
                rows = await cursor.fetchall()
                for row in rows:
                    reason = _flaw(self.database.tenant, row, seq + 1, head)
                    if reason:
                        return ChainReport(
                            entries=entries, head_hash=head, broken_at=row["seq"], reason=reason
                        )
                    seq, head, entries = row["seq"], row["hash"], entries + 1
                if len(rows) < VERIFY_BATCH:
                    return ChainReport(entries=entries, head_hash=head)


def _flaw(tenant: str, row: Mapping[str, Any], expected_seq: int, previous: str) -> str:
    if row["seq"] != expected_seq:
        return f"entry {expected_seq} is missing"
    if row["prev_hash"] != previous:
        return "the entry names another predecessor"
    fields = (
        previous,
        tenant,
        str(row["seq"]),
        row["at"],
        row["actor"],
        row["via"],
        row["action"],
        row["thread_id"],
        row["run_id"],
        row["gate_id"],
        row["details"],
    )
    chained = "".join(_netstring(field) for field in fields)
    if hashlib.sha256(chained.encode()).hexdigest() != row["hash"]:
        return "the entry was changed after it was written"
    return ""


def _netstring(field: str | None) -> str:
    return "-" if field is None else f"{len(field.encode())}:{field},"
