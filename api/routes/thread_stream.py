"""One thread's events as they happen, whatever run they come from."""

import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from api.dependencies import EngineDependency
from api.routes.runs import SSE
from api.run_streams import last_event_id
from api.schemas.common import PathUuid, problems
from api.streams import event_stream, frame
from engine.errors import InvalidValueError
from engine.event_table import Recorded
from engine.events import RUN_DONE
from engine.streaming import NAMESPACE_SEPARATOR

router = APIRouter(tags=["threads"])

THREAD_MODES = frozenset({"run_modes", "lifecycle", "state_update"})
STATE_UPDATES = frozenset({"values", "updates"})


@router.get(
    "/threads/{thread_id}/stream",
    response_class=StreamingResponse,
    responses={**SSE, **problems(404)},
)
async def stream_thread(
    thread_id: PathUuid,
    engine: EngineDependency,
    stream_modes: Annotated[
        list[str] | None, Query(description="run_modes, lifecycle, state_update")
    ] = None,
    stream_mode: Annotated[
        list[str] | None, Query(description="The JavaScript SDK's name for `stream_modes`.")
    ] = None,
    last_event: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> StreamingResponse:
    """Stream the thread until the client leaves.

    `run_modes` shows what its runs stream, `lifecycle` their beginning and end, `state_update`
    changes of the state. After each run comes `metadata` with `{"status": "run_done"}`.
    """
    asked = {
        mode for item in (stream_modes or stream_mode or ["run_modes"]) for mode in item.split(",")
    }
    unknown = sorted(asked - THREAD_MODES)
    if unknown:
        raise InvalidValueError(
            "/query/stream_modes", f"of {', '.join(sorted(THREAD_MODES))}", unknown[0]
        )
    await engine.threads.get(thread_id)
    following = engine.events.follow_thread(thread_id, after=last_event_id(last_event))

    async def frames() -> AsyncIterator[bytes]:
        async for recorded in following:
            if recorded.event.event == RUN_DONE:
                yield frame("metadata", _run_done(recorded), recorded.seq)
            elif _shown(recorded.event.event, asked):
                yield frame(recorded.event.event, recorded.event.data, recorded.seq)

    location = f"/threads/{thread_id}"
    return event_stream(frames(), headers={"Location": f"{location}/stream"})


def _run_done(recorded: Recorded) -> str:
    body = {"status": "run_done", "run_id": recorded.run_id}
    return json.dumps(body, separators=(",", ":"))


def _shown(event: str, asked: set[str]) -> bool:
    if event.startswith("v2/"):
        return False
    if "run_modes" in asked:
        return True
    name = event.partition(NAMESPACE_SEPARATOR)[0]
    if name in ("metadata", "error"):
        return "lifecycle" in asked
    return "state_update" in asked and name in STATE_UPDATES
