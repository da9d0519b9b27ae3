"""Requests that carry an idempotency key: done once, answered as often as they come."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Header, HTTPException, Request, Response
from pydantic import BaseModel, WithJsonSchema

from api.dependencies import ActorDependency, EngineDependency
from engine.database import Connection
from engine.idempotency import Call, make_call

IDEMPOTENCY_HEADER = "idempotency-key"
REPLAYED_HEADER = "Idempotent-Replayed"

IdempotencyKey = Annotated[
    Annotated[
        str,
        WithJsonSchema({"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"}),
    ]
    | None,
    Header(alias="Idempotency-Key", description="The same key is the same request, done once."),
]

T = TypeVar("T", bound=BaseModel)


class Once(Protocol):
    """Does something in one transaction, or returns what it did the first time."""

    async def __call__(
        self,
        act: Callable[[Connection], Awaitable[T]],
        view: type[T],
        *,
        status: int = 200,
        lasting: bool = False,
    ) -> T:
        """Call `act` unless this request was answered before with a `view`.

        With `lasting` it may take long, in transactions of its own, and doing it once more after
        a crash in between does no harm.
        """


def idempotent_call(request: Request, body: Any, actor: str) -> Call | None:
    """Return the call behind a request that carries an idempotency key.

    Raises:
        HTTPException: it carries none, and the server insists on one (400).
    """
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is None:
        settings = getattr(request.app.state, "settings", None)
        if settings is not None and settings.require_idempotency_key:
            raise HTTPException(400, "this server wants an Idempotency-Key with this request")
        return None
    route = request.scope.get("route")
    return make_call(
        key=key,
        method=request.method,
        route=str(getattr(route, "path", request.url.path)),
        path=f"{request.url.path}?{request.url.query}",
        body=body,
        caller=actor,
    )


async def once(
    request: Request,
    response: Response,
    engine: EngineDependency,
    actor: ActorDependency,
    _key: IdempotencyKey = None,
) -> Once:
    """Return how this request does its work once."""
    raw = await request.body()
    body = await request.json() if raw else None
    call = idempotent_call(request, body, actor)

    async def perform(
        act: Callable[[Connection], Awaitable[T]],
        view: type[T],
        *,
        status: int = 200,
        lasting: bool = False,
    ) -> T:
        async with engine.database.transaction() as connection:
            if call is None:
                return await act(connection)
            replay = await engine.idempotency.begin(connection, call, lasting=lasting)
            if replay is not None:
                response.headers[REPLAYED_HEADER] = "true"
                return view.model_validate(replay.body)
            answer = await act(connection)
            await engine.idempotency.finish(
                connection, call, status=status, body=answer.model_dump(mode="json")
            )
            return answer

    return perform


OnceDependency = Annotated[Once, Depends(once)]
