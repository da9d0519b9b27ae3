"""Signed links to one review for one person: looking is free, deciding uses the link up.

A mail scanner that follows a link only looks. A link stands for what was proposed when it was
made; another proposal makes it worthless. There are none for reviews of high risk.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from itsdangerous import BadSignature, URLSafeSerializer

from engine.database import Connection, Database, statement
from engine.errors import ConflictError, ForbiddenError, GoneError, NotFoundError
from engine.gates.book import Gates
from engine.gates.gate import Gate, outcome_of
from engine.reviews.ballots import Ballot
from engine.reviews.decision import Decision
from engine.reviews.service import Reviews

SALT = "holdfast review link"
LINK_SECONDS = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link as it stands.

    Attributes:
        person: whose decision it carries.
        fingerprint: of the proposal that it stands for.
        expired: whether its own time is over, by the database's clock.
    """

    link_id: str
    gate_id: str
    person: str
    fingerprint: str
    expires_at: datetime
    used_at: datetime | None
    expired: bool


class Links:
    """Makes links and decides by them."""

    def __init__(self, *, database: Database, gates: Gates, reviews: Reviews, key: bytes) -> None:
        self._tenant = database.tenant
        self._database = database
        self._gates = gates
        self._reviews = reviews
        self._serializer = URLSafeSerializer(key, salt=SALT)

    async def make(self, connection: Connection, gate: Gate, person: str) -> str | None:
        """Return the token of a new link in the caller's transaction; None for high risk."""
        if gate.risk == "high":
            return None
        link_id = uuid4().hex
        await connection.execute(
            statement("insert_link"),
            {
                "tenant": self._tenant,
                "link_id": link_id,
                "gate_id": gate.gate_id,
                "person": person,
                "fingerprint": gate.fingerprint,
                "seconds": LINK_SECONDS,
            },
        )
        token: str = self._serializer.dumps(link_id)
        return token

    async def look(self, token: str) -> tuple[Link, Gate]:
        """Return the link and its review; changes nothing.

        Raises:
            NotFoundError: the token was not made here, or is damaged.
        """
        async with self._database.pool.connection() as connection:
            return await self._open(connection, token)

    async def decide(self, connection: Connection, token: str, decision: Decision) -> Gate:
        """Decide the link's review as the link's person, and use the link up.

        Raises:
            NotFoundError: the token was not made here, or is damaged.
            GoneError: the link expired.
            ConflictError: the link was used.
            ForbiddenError: the review is of high risk by now, or the decision is an edit.
            EngineError: whatever `Reviews.decide` raises.
        """
        link, gate = await self._open(connection, token)
        if gate.risk == "high" or decision.type in ("edit", "answer"):
            raise ForbiddenError(
                "this is decided on the review's own page, not by a link", **outcome_of(gate)
            )
        # The thread's row is locked before the link's, as everywhere.
        await self._gates.lock(connection, gate.gate_id)
        cursor = await connection.execute(statement("use_link"), self._key(link.link_id))
        if await cursor.fetchone() is None:
            link, gate = await self._open(connection, token)
            if link.used_at is not None:
                raise ConflictError("the link was used", **outcome_of(gate))
            raise GoneError("the link expired", **outcome_of(gate))
        ballot = Ballot(decisions=[decision], fingerprint=link.fingerprint)
        return await self._reviews.decide(
            connection, gate.gate_id, ballot, actor=link.person, via="link"
        )

    async def _open(self, connection: Connection, token: str) -> tuple[Link, Gate]:
        try:
            link_id = self._serializer.loads(token)
        except BadSignature as error:
            raise NotFoundError("link", token[:16]) from error
        cursor = await connection.execute(statement("read_link"), self._key(link_id))
        row = await cursor.fetchone()
        if row is None:
            raise NotFoundError("link", token[:16])
        link = Link(**row)
        return link, await self._gates.get(connection, link.gate_id)

    def _key(self, link_id: str) -> Mapping[str, Any]:
        return {"tenant": self._tenant, "link_id": link_id}
