"""Events from outside for a thread."""

from typing import Annotated

from fastapi import APIRouter, Path

from api.dependencies import ActorDependency, EngineDependency
from api.idempotency import OnceDependency
from api.routes.reviews import API
from api.schemas.reviews import SignalCreate, SignalReceipt, SignalView
from engine.database import Connection
from engine.signals import MAX_NAME_LENGTH

router = APIRouter(tags=["signals"])


@router.post(
    "/threads/{thread_id}/signals/{name}",
    status_code=202,
    responses={
        404: {"description": "There is no such thread."},
        422: {"description": "A gate waits, and the payload does not fit; nothing is kept."},
    },
)
async def send_signal(
    thread_id: str,
    name: Annotated[str, Path(min_length=1, max_length=MAX_NAME_LENGTH)],
    body: SignalCreate,
    engine: EngineDependency,
    actor: ActorDependency,
    once: OnceDependency,
) -> SignalReceipt:
    """Tell a thread that something happened: the gate that waits for it is answered.

    An event that comes before its gate is kept for it.
    """

    async def work(connection: Connection) -> SignalReceipt:
        receipt = await engine.signals.send(
            connection,
            thread_id=thread_id,
            name=name,
            payload=body.payload,
            signal_id=body.id,
            actor=actor,
            via=API,
        )
        return SignalReceipt.of(receipt)

    return await once(work, SignalReceipt, status=202)


@router.get(
    "/threads/{thread_id}/signals", responses={404: {"description": "There is no such thread."}}
)
async def list_signals(thread_id: str, engine: EngineDependency) -> list[SignalView]:
    """List the events of a thread, oldest first."""
    await engine.threads.get(thread_id)
    return [SignalView.of(signal) for signal in await engine.signals.list(thread_id)]
