"""Once-only side effects: an intent row, a stable key, a result row.

A process may die, a call may time out, a worker may be a zombie: with the intent written down
before and the outcome after the call, the next attempt knows that it does not know, and asks the
other side before it repeats anything.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable

from psycopg.types.json import Jsonb

from nodes.services import JSON, EffectRecord, Effects, EffectState
from nodes.services.database import Database, statement
from nodes.services.errors import (
    EffectError,
    EffectKeyReusedError,
    EffectNotAppliedError,
    EffectRefusedError,
    OutcomeUnknownError,
)


async def effect(
    effects: Effects,
    *,
    key: str,
    name: str,
    request: JSON,
    call: Callable[[], Awaitable[JSON]],
    look_up: Callable[[], Awaitable[JSON | None]] | None = None,
) -> JSON:
    """Have something done in the outside world once per `key`, and return its result.

    A key whose effect is done returns the stored result and calls nobody. When an earlier attempt
    ended without a known outcome, `look_up` is asked first and what it finds is taken.

    Args:
        effects: where intents and results are kept.
        key: stable over retries, resumes and restarts, `f"{order_id}:{verb}"`.
        name: of the effect, for people.
        request: what is asked; the same key must always ask the same.
        call: does it; told apart by what it raises, see Raises.
        look_up: returns the result of an earlier attempt, None when there is none. Without it
            `call` must be safe to repeat under its key.

    Raises:
        EffectRefusedError: the other side said no; asking again says the same without a call.
        EffectNotAppliedError: nothing happened; the effect may be tried again.
        OutcomeUnknownError: nobody knows; the effect may be tried again, and is looked up then.
        EffectKeyReusedError: the key was used for another request.
    """
    known = await effects.begin(key, name=name, request=request)
    if known.state == "done" and known.result is not None:
        return known.result
    if known.state == "refused":
        raise _refusal(known.error)
    if known.doubtful and look_up is not None:
        found = await look_up()
        if found is not None:
            await effects.record(key, attempts=known.attempts, state="done", result=found)
            return found
    try:
        result = await call()
    except EffectRefusedError as error:
        if known.doubtful and look_up is not None:
            # An attempt that got lost may still come through: this no is not about that one.
            raise OutcomeUnknownError(f"refused after an attempt that got lost: {error}") from error
        await effects.record(key, attempts=known.attempts, state="refused", error=_described(error))
        raise
    except EffectNotAppliedError as error:
        await effects.record(
            key, attempts=known.attempts, state="not_applied", error=_described(error)
        )
        raise
    await effects.record(key, attempts=known.attempts, state="done", result=result)
    return result


class PostgresEffects:
    """Keeps effects in Postgres; every call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, key: str, *, name: str, request: JSON) -> EffectRecord:
        """Write down that an effect is about to be sent; see `Effects.begin`."""
        row = await self._database.fetch_one(
            statement("begin_effect"),
            {"key": key, "name": name, "request": Jsonb(request), "request_hash": digest(request)},
        )
        if row is None:
            raise EffectKeyReusedError(key)
        return EffectRecord(**row)

    async def record(
        self,
        key: str,
        *,
        attempts: int,
        state: EffectState,
        result: JSON | None = None,
        error: JSON | None = None,
    ) -> None:
        """Write down the outcome of an attempt; see `Effects.record`."""
        await self._database.fetch_one(
            statement("record_effect"),
            {
                "key": key,
                "attempts": attempts,
                "state": state,
                "result": None if result is None else Jsonb(result),
                "error": None if error is None else Jsonb(error),
            },
        )

    async def get(self, key: str) -> EffectRecord | None:
        """Return what is known of an effect."""
        row = await self._database.fetch_one(statement("get_effect"), {"key": key})
        return None if row is None else EffectRecord(**row)


def digest(request: JSON) -> str:
    """Return the SHA-256 of a request in its canonical form."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _described(error: EffectError) -> JSON:
    return {"code": error.code, "message": str(error)}


def _refusal(error: JSON | None) -> EffectRefusedError:
    stored = error or {}
    return EffectRefusedError(
        str(stored.get("message", "refused")), code=str(stored.get("code", "refused"))
    )
