"""One caller's runs, on a thread of theirs or on one that the run makes (`thread_id` None)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response, StreamingResponse

from api.access import Access, AccessDependency
from api.dependencies import ActorDependency, EngineDependency
from api.idempotency import IdempotencyKey
from api.run_streams import Shown, Started, start_run, stream_new_run, stream_run, wait_for_run
from api.schemas.runs import RunCreate, RunView
from engine.events import Following
from engine.runs.run import Run
from engine.runtime import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequests:
    """Starts runs for the caller of one request, in the three ways there are."""

    request: Request
    engine: Engine
    actor: str
    access: Access

    async def create(
        self, body: RunCreate, response: Response, *, thread_id: str | None = None
    ) -> RunView:
        """Start a run in the background."""
        started = await self._start(body, thread_id)
        headers = started.headers(stateless=thread_id is None, suffix="join")
        del headers["Location"]  # nothing was asked to be waited for
        response.headers.update(headers)
        return started.view

    async def stream(
        self, body: RunCreate, namespaces: Sequence[str] | None, *, thread_id: str | None = None
    ) -> StreamingResponse:
        """Start a run and stream it from its first event."""
        return await stream_new_run(
            self.request,
            self.engine,
            body,
            thread_id=thread_id,
            actor=self.actor,
            access=self.access,
            shown=Shown.of(None, namespaces),
        )

    async def wait(self, body: RunCreate, *, thread_id: str | None = None) -> Response:
        """Start a run and answer with the thread's values when it has ended."""
        started = await self._start(body, thread_id)
        return wait_for_run(
            self.engine,
            started,
            headers=started.headers(stateless=thread_id is None, suffix="join"),
            cancel_on_disconnect=not started.replayed and started.run.on_disconnect == "cancel",
        )

    async def _start(self, body: RunCreate, thread_id: str | None) -> Started:
        return await start_run(
            self.request,
            self.engine,
            body,
            thread_id=thread_id,
            actor=self.actor,
            access=self.access,
        )


async def run_requests(
    request: Request,
    engine: EngineDependency,
    actor: ActorDependency,
    access: AccessDependency,
    _key: IdempotencyKey = None,
) -> RunRequests:
    """Return what starts runs for a request's caller."""
    return RunRequests(request=request, engine=engine, actor=actor, access=access)


RunRequestsDependency = Annotated[RunRequests, Depends(run_requests)]


def join(engine: Engine, run: Run, *, stateless: bool, cancel_on_disconnect: bool) -> Response:
    """Answer with what a run says at its end, once it has ended."""
    joined = Started.of(run)
    return wait_for_run(
        engine,
        joined,
        headers=joined.headers(stateless=stateless, suffix="join"),
        cancel_on_disconnect=cancel_on_disconnect,
    )


def rejoin(
    engine: Engine,
    run: Run,
    following: Following,
    *,
    stateless: bool,
    shown: Shown,
    cancel_on_disconnect: bool,
) -> StreamingResponse:
    """Stream a run that was started before."""
    return stream_run(
        engine,
        run,
        following,
        shown=shown,
        headers=Started.of(run).headers(stateless=stateless, suffix="stream"),
        cancel_on_disconnect=cancel_on_disconnect,
    )
