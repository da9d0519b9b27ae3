"""Who may decide: people, teams, and who stands in for whom."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from engine.audit import Audit
from engine.database import Connection, Database, statement
from engine.errors import ForbiddenError, InvalidValueError, NotFoundError
from engine.values import text

TEAM = "team:"
LONGEST_CHAIN = 5  # stand-ins of stand-ins


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Somebody is away, and somebody else decides meanwhile."""

    person: str
    delegate: str
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the absence of a database row."""
        return cls(**row)


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Knows the teams and the absences.

    Attributes:
        teams: members by the team's name; a team that nobody has listed takes everybody.
        emails: mail addresses by person.
    """

    database: Database
    audit: Audit
    teams: Mapping[str, Sequence[str]] = field(default_factory=dict)
    emails: Mapping[str, str] = field(default_factory=dict)

    async def require(
        self, connection: Connection, assignees: Sequence[str], actor: str
    ) -> str | None:
        """Check that `actor` is asked, and return for whom when it is as a stand-in.

        Raises:
            ForbiddenError: somebody else is asked.
        """
        if not assignees:
            return None
        away = await self._away(connection)
        behind: str | None = None
        for person in self.members(assignees):
            if person in (actor, None):
                return None
            if actor in _stand_ins(str(person), away):
                behind = person
        if behind is None:
            raise ForbiddenError(
                f"{', '.join(assignees)} may decide this, {actor!r} may not",
                assignees=list(assignees),
                actor=actor,
            )
        return behind

    async def names_of(self, connection: Connection, actor: str) -> list[str]:
        """Return every name under which `actor` is asked: own, teams, those stood in for."""
        away = await self._away(connection)
        people = {actor} | {person for person in away if actor in _stand_ins(person, away)}
        teams = {name for name, members in self.teams.items() if people & set(members)}
        return sorted(people | {f"{TEAM}{name}" for name in teams})

    def members(self, assignees: Sequence[str]) -> Iterator[str | None]:
        """Yield the people behind names; None stands for everybody."""
        for name in assignees:
            if not name.startswith(TEAM):
                yield name
                continue
            listed = self.teams.get(name.removeprefix(TEAM))
            if listed is None:
                yield None
            else:
                yield from listed

    async def reached(self, connection: Connection, assignees: Sequence[str]) -> list[str]:
        """Return whom to tell: the people behind the names, or who stands in for them now."""
        away = await self._away(connection)
        found = []
        for person in self.members(assignees):
            if person is not None:
                chain = [person, *_stand_ins(person, away)]
                found.append(chain[-1])
        return list(dict.fromkeys(found))

    async def absences(self) -> list[Absence]:
        """Return who is away now or later."""
        async with self.database.pool.connection() as connection:
            return await self._absences(connection, only_now=False)

    async def set_absence(
        self,
        connection: Connection,
        *,
        person: str,
        delegate: str,
        starts_at: datetime | None,
        ends_at: datetime,
        actor: str,
        via: str,
    ) -> Absence:
        """Let `delegate` decide for `person` from `starts_at` (now) to `ends_at`.

        Raises:
            InvalidValueError: the stand-in is the person, or the time is over or no time at all.
        """
        if person == delegate:
            raise InvalidValueError("/delegate", "another person", delegate)
        cursor = await connection.execute("SELECT clock_timestamp() AS now")
        now = (await cursor.fetchall())[0]["now"]
        if ends_at <= max(now, starts_at or now):
            raise InvalidValueError("/ends_at", "after the start and in the future", ends_at)
        cursor = await connection.execute(
            statement("save_absence"),
            {
                "tenant": self.database.tenant,
                "person": text(person),
                "delegate": text(delegate),
                "starts_at": starts_at,
                "ends_at": ends_at,
            },
        )
        absence = Absence.from_row((await cursor.fetchall())[0])
        await self._note(connection, "absence.set", absence, actor=actor, via=via)
        return absence

    async def end_absence(
        self, connection: Connection, person: str, *, actor: str, via: str
    ) -> None:
        """Say that somebody is back.

        Raises:
            NotFoundError: nothing is known of an absence.
        """
        cursor = await connection.execute(
            statement("delete_absence"), {"tenant": self.database.tenant, "person": person}
        )
        row = await cursor.fetchone()
        if row is None:
            raise NotFoundError("absence", person)
        await self._note(connection, "absence.ended", Absence.from_row(row), actor=actor, via=via)

    async def _note(
        self, connection: Connection, action: str, absence: Absence, *, actor: str, via: str
    ) -> None:
        await self.audit.append(
            connection,
            actor=actor,
            via=via,
            action=action,
            details={
                "person": absence.person,
                "delegate": absence.delegate,
                "starts_at": absence.starts_at.isoformat(),
                "ends_at": absence.ends_at.isoformat(),
            },
        )

    async def _absences(self, connection: Connection, *, only_now: bool) -> list[Absence]:
        cursor = await connection.execute(
            statement("list_absences"), {"tenant": self.database.tenant, "only_now": only_now}
        )
        return [Absence.from_row(row) for row in await cursor.fetchall()]

    async def _away(self, connection: Connection) -> dict[str, str]:
        absences = await self._absences(connection, only_now=True)
        return {absence.person: absence.delegate for absence in absences}


def _stand_ins(person: str, away: Mapping[str, str]) -> list[str]:
    """Return who stands in for a person, and for that one, and so on."""
    chain: list[str] = []
    while person in away and len(chain) < LONGEST_CHAIN:
        person = away[person]
        if person in chain:
            break
        chain.append(person)
    return chain
