"""Everything around a decision: claim, hand over, say something, put off, extend.

Every method whose first parameter is `connection` joins the caller's transaction, and the audit
entry of what it does is written in that transaction too.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.database import Connection, statement
from engine.errors import ConflictError, GoneError, InvalidValueError
from engine.gates.gate import UNANSWERED, Gate, outcome_of, settled
from engine.reviews.board import Board, Comment
from engine.values import text

CLAIM_SECONDS = 600.0
MAX_CLAIM_SECONDS = 8 * 3600.0
MAX_EXTENSION_SECONDS = 90 * 86_400.0
MAX_COMMENT_LENGTH = 10_000


class Handling(Board):
    """What can be done with a review besides deciding it; `Board` is what is seen of it."""

    async def claim(
        self,
        connection: Connection,
        review_id: str,
        *,
        actor: str,
        via: str,
        lease_seconds: float = CLAIM_SECONDS,
    ) -> Gate:
        """Take a review, or keep it longer; the claim lapses by itself after `lease_seconds`.

        Raises:
            ConflictError: somebody else has it, or it is settled.
            ForbiddenError: the person may not decide it.
        """
        gate = await self._open_to(connection, review_id, actor)
        lease = max(1.0, min(lease_seconds, MAX_CLAIM_SECONDS))
        cursor = await connection.execute(
            statement("claim_gate"),
            {**self._key(review_id), "actor": text(actor), "lease_seconds": lease},
        )
        if await cursor.fetchone() is None:
            raise ConflictError(f"{gate.claimed_by!r} works on it", **outcome_of(gate))
        details = {"lease_seconds": lease}
        return await self._noted(connection, gate, "gate.claimed", actor, via, details)

    async def release(
        self, connection: Connection, review_id: str, *, actor: str, via: str
    ) -> Gate:
        """Give a claimed review back.

        Raises:
            ConflictError: it is not claimed, or by somebody else.
        """
        gate = await self._gates.lock(connection, review_id)
        if gate.state != "claimed":
            raise ConflictError(
                f"there is no claim to give back: the review is {gate.state}", **outcome_of(gate)
            )
        if gate.held_by_other(actor):
            raise ConflictError(f"{gate.claimed_by!r} works on it", **outcome_of(gate))
        await connection.execute(statement("release_gate"), self._key(review_id))
        return await self._noted(connection, gate, "gate.released", actor, via, {})

    async def delegate(
        self,
        connection: Connection,
        review_id: str,
        *,
        to: Sequence[str],
        actor: str,
        via: str,
        reason: str = "",
    ) -> Gate:
        """Ask other people instead.

        Raises:
            InvalidValueError: nobody is named, or only the one who may not decide it.
            ForbiddenError: the person is not asked, so has nothing to hand over.
            ConflictError, GoneError: it is settled, or somebody works on it.
        """
        gate = await self._open_to(connection, review_id, actor)
        names = [text(name.strip()) for name in to if name.strip()]
        if not names or names == [gate.proposer]:
            raise InvalidValueError("/to", "people or teams who may decide it", list(to))
        await connection.execute(
            statement("reassign_gate"), {**self._key(review_id), "assignees": names}
        )
        details = {"from": list(gate.assignees), "to": names, "reason": reason}
        return await self._noted(connection, gate, "gate.delegated", actor, via, details)

    async def comment(
        self,
        connection: Connection,
        review_id: str,
        *,
        body: str,
        audience: str,
        actor: str,
        via: str,
    ) -> Comment:
        """Say something: `agent` is read by the agent with the decision, `internal` never.

        Raises:
            InvalidValueError: there is no text, too much of it, or no such audience.
            ConflictError, GoneError: it is settled and the agent could not hear it any more.
        """
        gate = await self._gates.lock(connection, review_id)
        if audience == "agent" and gate.state not in UNANSWERED:
            raise settled(gate)
        comment = await self._comment(connection, gate, body, audience, actor=actor)
        details = {"audience": audience, "body": comment.body}
        await self._gates.note(
            connection, gate, "gate.commented", actor=actor, via=via, details=details
        )
        return comment

    async def snooze(
        self,
        connection: Connection,
        review_id: str,
        *,
        until: datetime | None,
        actor: str,
        via: str,
    ) -> Gate:
        """Put a review out of sight until a moment; None brings it back.

        Raises:
            InvalidValueError: the moment is over, or after the review expires.
            ConflictError, GoneError, ForbiddenError: as in `claim`.
        """
        gate = await self._open_to(connection, review_id, actor)
        cursor = await connection.execute(
            statement("snooze_gate"), {**self._key(review_id), "until": until}
        )
        if await cursor.fetchone() is None:
            raise InvalidValueError("/until", "in the future and before the review expires", until)
        details = {"until": None if until is None else until.isoformat()}
        return await self._noted(connection, gate, "gate.snoozed", actor, via, details)

    async def extend(
        self, connection: Connection, review_id: str, *, seconds: float, actor: str, via: str
    ) -> Gate:
        """Move every deadline that is still to come by so many seconds.

        Raises:
            InvalidValueError: no time, or too much of it.
            ConflictError: there is no deadline.
            GoneError, ForbiddenError: as in `claim`.
        """
        if not 0 < seconds <= MAX_EXTENSION_SECONDS:
            expected = f"more than 0 and at most {MAX_EXTENSION_SECONDS:.0f}"
            raise InvalidValueError("/seconds", expected, seconds)
        gate = await self._open_to(connection, review_id, actor)
        if gate.due_at is None and gate.expires_at is None:
            raise ConflictError("the review has no deadline", **outcome_of(gate))
        cursor = await connection.execute(
            statement("extend_gate"), {**self._key(review_id), "seconds": seconds}
        )
        if await cursor.fetchone() is None:
            raise GoneError("the review expired", **outcome_of(gate))
        return await self._noted(
            connection, gate, "gate.extended", actor, via, {"seconds": seconds}
        )

    # Inside

    def _key(self, review_id: str) -> dict[str, Any]:
        return {"tenant": self._tenant, "gate_id": review_id}

    async def _open_to(self, connection: Connection, review_id: str, actor: str) -> Gate:
        gate = await self._gates.lock(connection, review_id)
        self._gates.check_open(gate, actor=actor, version=None, fingerprint=None)
        await self.people.require(connection, gate.assignees, actor)
        return gate

    async def _noted(
        self,
        connection: Connection,
        gate: Gate,
        action: str,
        actor: str,
        via: str,
        details: Mapping[str, Any],
    ) -> Gate:
        await self._gates.note(connection, gate, action, actor=actor, via=via, details=details)
        return await self._gates.get(connection, gate.gate_id)

    async def _comment(
        self, connection: Connection, gate: Gate, body: str, audience: str, *, actor: str
    ) -> Comment:
        if audience not in ("agent", "internal"):
            raise InvalidValueError("/audience", "agent or internal", audience)
        if not body.strip() or len(body) > MAX_COMMENT_LENGTH:
            raise InvalidValueError("/body", f"a text of at most {MAX_COMMENT_LENGTH} characters")
        cursor = await connection.execute(
            statement("insert_comment"),
            {
                **self._key(gate.gate_id),
                "author": text(actor),
                "audience": audience,
                "body": text(body.strip()),
            },
        )
        return Comment(**(await cursor.fetchall())[0])
