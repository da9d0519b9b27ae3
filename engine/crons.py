"""Crons: runs that a calendar starts, once each, whichever process looks first.

Misfires: what fell due while nobody was there, however often, is made up for by one run as soon
as somebody is; then the calendar goes on.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, Self
from uuid import uuid4

from engine.assistants import Assistants
from engine.audit import Audit
from engine.database import Connection, Database, statement
from engine.errors import EngineError, NotFoundError
from engine.listing import Page, Scope, make_page, sorted_statement
from engine.runs.ledger import Runs
from engine.runs.request import RunRequest
from engine.schedules import next_time
from engine.user_messages import from_user
from engine.values import jsonb

log = logging.getLogger(__name__)

FIRE_BATCH = 100
SORT_COLUMNS = {
    "cron_id": "cron_id",
    "assistant_id": "assistant_id",
    "thread_id": "thread_id",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "next_run_date": "next_run_at",
    "end_time": "end_time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """One schedule.

    Attributes:
        thread_id: the thread that all its runs go to; None gives each run one of its own.
        schedule: cron expression.
        timezone: IANA name.
        end_time: no run starts after it.
        on_run_completed: what becomes of a run's own thread.
        payload: the run to start: the fields of `RunRequest`.
        next_run_date: None when it will not fire any more.
    """

    cron_id: str
    assistant_id: str
    thread_id: str | None
    schedule: str
    timezone: str
    end_time: datetime | None
    enabled: bool
    on_run_completed: Literal["delete", "keep"]
    payload: Mapping[str, Any]
    metadata: Mapping[str, Any]
    user_id: str | None
    next_run_date: datetime | None
    last_fired_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the cron of a database row."""
        return cls(**{column.name: row[column.name] for column in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class CronChange:
    """What to change; None leaves a field as it is.

    Attributes:
        payload: merged into the payload, key by key.
        clear_end_time: whether the end is taken away.
        trusted: whether messages of every role are taken.
    """

    schedule: str | None = None
    timezone: str | None = None
    end_time: datetime | None = None
    clear_end_time: bool = False
    enabled: bool | None = None
    on_run_completed: Literal["delete", "keep"] | None = None
    payload: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    trusted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Crons:
    """The schedules of the database's tenant."""

    database: Database
    assistants: Assistants
    runs: Runs
    audit: Audit

    async def create(
        self,
        connection: Connection,
        *,
        assistant_id: str,
        schedule: str,
        payload: Mapping[str, Any],
        thread_id: str | None = None,
        timezone: str | None = None,
        end_time: datetime | None = None,
        enabled: bool = True,
        on_run_completed: Literal["delete", "keep"] = "delete",
        metadata: Mapping[str, Any] | None = None,
        user_id: str | None = None,
        trusted: bool = True,
        scope: Scope | None = None,
    ) -> Cron:
        """Make a schedule in the caller's transaction; nothing runs before its time.

        Of a caller who is not `trusted` only the user's own messages are taken.

        Raises:
            NotFoundError: no such assistant or thread.
            InvalidValueError: the schedule or the timezone cannot be understood.
        """
        assistant = await self.assistants.resolve(connection, assistant_id, scope=scope)
        payload = await self._checked(payload, assistant.graph_id, trusted=trusted)
        if thread_id is not None:
            cursor = await connection.execute(
                statement("lock_thread"), {"tenant": self.database.tenant, "thread_id": thread_id}
            )
            if await cursor.fetchone() is None:
                raise NotFoundError("thread", thread_id)
        upcoming = await _upcoming(connection, schedule, timezone, end_time)
        cursor = await connection.execute(
            statement("insert_cron"),
            {
                "tenant": self.database.tenant,
                "cron_id": str(uuid4()),
                "assistant_id": assistant.assistant_id,
                "thread_id": thread_id,
                "schedule": schedule,
                "timezone": timezone,
                "end_time": end_time,
                "enabled": enabled,
                "on_run_completed": on_run_completed,
                "payload": jsonb(payload),
                "metadata": jsonb(metadata or {}),
                "user_id": user_id,
                "next_run_at": upcoming,
            },
        )
        (row,) = await cursor.fetchall()
        return Cron.from_row(row)

    async def get(self, cron_id: str, *, scope: Scope | None = None) -> Cron:
        """Return a schedule.

        Raises:
            NotFoundError: there is none.
        """
        async with self.database.transaction() as connection:
            return await self._lock(connection, cron_id, scope)

    async def update(self, cron_id: str, change: CronChange, *, scope: Scope | None = None) -> Cron:
        """Change a schedule; its next time is reckoned anew.

        Raises:
            NotFoundError: there is none.
            InvalidValueError: the schedule or the timezone cannot be understood.
        """
        async with self.database.transaction() as connection:
            cron = await self._lock(connection, cron_id, scope)
            payload = change.payload or {}
            if "input" in payload:
                assistant = await self.assistants.resolve(connection, cron.assistant_id)
                payload = await self._checked(payload, assistant.graph_id, trusted=change.trusted)
            schedule = change.schedule or cron.schedule
            timezone = change.timezone or cron.timezone
            end_time = None if change.clear_end_time else change.end_time or cron.end_time
            cursor = await connection.execute(
                statement("update_cron"),
                {
                    "tenant": self.database.tenant,
                    "cron_id": cron_id,
                    "schedule": schedule,
                    "timezone": timezone,
                    "end_time": end_time,
                    "enabled": cron.enabled if change.enabled is None else change.enabled,
                    "on_run_completed": change.on_run_completed or cron.on_run_completed,
                    "payload": jsonb({**cron.payload, **payload}),
                    "metadata": jsonb({**cron.metadata, **(change.metadata or {})}),
                    "next_run_at": await _upcoming(connection, schedule, timezone, end_time),
                },
            )
            (row,) = await cursor.fetchall()
            return Cron.from_row(row)

    async def delete(self, cron_id: str, *, scope: Scope | None = None) -> None:
        """Remove a schedule; runs it has started go on.

        Raises:
            NotFoundError: there is none.
        """
        async with self.database.transaction() as connection:
            cursor = await connection.execute(statement("delete_cron"), self._key(cron_id, scope))
            if await cursor.fetchone() is None:
                raise NotFoundError("cron", cron_id)

    async def search(
        self,
        *,
        assistant_id: str | None = None,
        thread_id: str | None = None,
        enabled: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        sort_by: str = "created_at",
        sort_order: str = "desc",
        scope: Scope | None = None,
    ) -> Page[Cron]:
        """Return schedules that fit."""
        parameters = self._filters(assistant_id, thread_id, enabled, metadata, scope)
        query = sorted_statement(
            "search_crons",
            sort_by=SORT_COLUMNS.get(sort_by, sort_by),
            sort_order=sort_order,
            allowed=frozenset(SORT_COLUMNS.values()),
            tie="cron_id",
        )
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                query, {**parameters, "limit": limit, "offset": offset}
            )
            rows = await cursor.fetchall()
        total = await self._count(parameters)
        return make_page([Cron.from_row(row) for row in rows], total=total, offset=offset)

    async def count(
        self,
        *,
        assistant_id: str | None = None,
        thread_id: str | None = None,
        enabled: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
        scope: Scope | None = None,
    ) -> int:
        """Return how many schedules `search` would find."""
        return await self._count(self._filters(assistant_id, thread_id, enabled, metadata, scope))

    async def fire_due(self) -> int:
        """Start the run of every schedule whose time has come; returns how many were started.

        The run and the schedule's next time are one transaction: two processes start one run,
        and a process that dies has started it or has not.
        """
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("list_due_crons"),
                {"tenant": self.database.tenant, "limit": FIRE_BATCH},
            )
            due = [row["cron_id"] for row in await cursor.fetchall()]
        return sum([await self._fire(cron_id) for cron_id in due])

    async def _fire(self, cron_id: str) -> bool:
        async with self.database.transaction() as connection:
            cursor = await connection.execute(
                statement("claim_due_cron"), {"tenant": self.database.tenant, "cron_id": cron_id}
            )
            row = await cursor.fetchone()
            if row is None:
                return False
            cron = Cron.from_row(row)
            started = await self._start(connection, cron)
            await connection.execute(
                statement("advance_cron"),
                {
                    "tenant": self.database.tenant,
                    "cron_id": cron_id,
                    "next_run_at": await _upcoming(
                        connection, cron.schedule, cron.timezone, cron.end_time
                    ),
                },
            )
            return started

    async def _start(self, connection: Connection, cron: Cron) -> bool:
        request = RunRequest(
            **{
                **cron.payload,
                "assistant_id": cron.assistant_id,
                "thread_id": cron.thread_id,
                "on_completion": "keep" if cron.thread_id else cron.on_run_completed,
                "metadata": {**(cron.payload.get("metadata") or {}), "cron_id": cron.cron_id},
                "kind": "cron",
                "actor": cron.user_id or "system",
                "via": "cron",
            }
        )
        try:
            async with connection.transaction():
                run = await self.runs.submit(connection, request)
        except EngineError as error:
            # Its time comes again; until then everybody can see why nothing happened.
            log.warning("cron_could_not_start", extra={"cron_id": cron.cron_id, "why": str(error)})
            await self.audit.append(
                connection,
                actor="system",
                via="cron",
                action="cron.failed",
                thread_id=cron.thread_id,
                details={"cron_id": cron.cron_id, "error": str(error)},
            )
            return False
        await self.audit.append(
            connection,
            actor=cron.user_id or "system",
            via="cron",
            action="cron.fired",
            thread_id=run.thread_id,
            run_id=run.run_id,
            details={"cron_id": cron.cron_id},
        )
        return True

    async def _checked(
        self, payload: Mapping[str, Any], graph_id: str, *, trusted: bool
    ) -> Mapping[str, Any]:
        registry = self.assistants.registry
        config = payload.get("config")
        await registry.check_input(graph_id, payload.get("input"), config)
        if trusted or "input" not in payload:
            return payload
        channels = (await registry.intake(graph_id, config)).message_channels
        return {**payload, "input": from_user(payload["input"], channels, pointer="/input")}

    async def _lock(self, connection: Connection, cron_id: str, scope: Scope | None) -> Cron:
        cursor = await connection.execute(statement("lock_cron"), self._key(cron_id, scope))
        row = await cursor.fetchone()
        if row is None:
            raise NotFoundError("cron", cron_id)
        return Cron.from_row(row)

    async def _count(self, parameters: Mapping[str, Any]) -> int:
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(statement("count_crons"), parameters)
            (row,) = await cursor.fetchall()
            return int(row["total"])

    def _key(self, cron_id: str, scope: Scope | None) -> dict[str, Any]:
        return {
            "tenant": self.database.tenant,
            "cron_id": cron_id,
            "scope": jsonb(scope or {}),
        }

    def _filters(
        self,
        assistant_id: str | None,
        thread_id: str | None,
        enabled: bool | None,
        metadata: Mapping[str, Any] | None,
        scope: Scope | None,
    ) -> dict[str, Any]:
        return {
            "tenant": self.database.tenant,
            "assistant_id": assistant_id,
            "thread_id": thread_id,
            "enabled": enabled,
            "metadata": jsonb(metadata or {}),
            "scope": jsonb(scope or {}),
        }


async def _upcoming(
    connection: Connection, schedule: str, timezone: str | None, end_time: datetime | None
) -> datetime | None:
    """Return the next time by the database's clock, or None when the end comes first."""
    cursor = await connection.execute("SELECT clock_timestamp() AS now")
    (row,) = await cursor.fetchall()
    upcoming = next_time(schedule, timezone, row["now"])
    return None if upcoming and end_time and upcoming > end_time else upcoming
