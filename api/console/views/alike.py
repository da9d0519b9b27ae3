"""Reviews of one shape side by side, to decide them together."""

from dataclasses import dataclass, replace

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.console.forms import differences
from api.console.render import going, page
from api.console.views.problems import status_of
from api.console.views.queue import WIDEST, filter_of, read_queue
from api.dependencies import ActorDependency, EngineDependency
from engine.errors import EngineError, InvalidDecisionError
from engine.reviews.ballots import MAX_BULK, Ballot
from engine.reviews.board import ReviewSummary
from engine.reviews.decision import Decision
from engine.runtime import Engine

router = APIRouter(prefix="/console/reviews/alike", include_in_schema=False)

VIA = "console"
TYPES = {"approve": "Approved", "reject": "Rejected"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One review: what it proposes as texts by title, and what each choice does."""

    review: ReviewSummary
    texts: dict[str, str]
    effects: dict[str, str]


@router.get("/{shape}")
async def alike(
    request: Request, shape: str, engine: EngineDependency, actor: ActorDependency
) -> Response:
    """Show the reviews of one shape side by side, to decide them together."""
    return await _alike(request, engine, actor, shape)


@router.post("/{shape}")
async def decide_alike(
    request: Request, shape: str, engine: EngineDependency, actor: ActorDependency
) -> Response:
    """Decide the ticked reviews of one shape with one decision."""
    posted = await request.form()
    kind = str(posted.get("type", ""))
    message = str(posted.get("message", "")).strip() or None
    ballots = {}
    for ticked in posted.getlist("pick"):
        review_id, _, seen = str(ticked).partition("|")
        version, _, fingerprint = seen.partition("|")
        ballots[review_id] = Ballot(
            decisions=[Decision(type=kind, message=message)],  # type: ignore[arg-type]  # checked by the engine
            version=int(version) if version.isdigit() else None,
            fingerprint=fingerprint,
        )
    try:
        if not ballots:
            raise InvalidDecisionError([{"pointer": "/reviews", "message": "tick at least one"}])
        async with engine.database.transaction() as connection:
            outcomes = await engine.reviews.decide_many(connection, ballots, actor=actor, via=VIA)
    except EngineError as error:
        return await _alike(
            request, engine, actor, shape, trouble=str(error), status=status_of(error)
        )
    done = sum(one.gate is not None for one in outcomes)
    refusals = [str(one.error) for one in outcomes if one.error]
    said = f"{TYPES.get(kind, 'Decided')}: {done} of {len(outcomes)}"
    if refusals:
        said += f"; {refusals[0]}"
    return going(f"/console/reviews{filter_of(request).query}", said=said)


async def _alike(
    request: Request,
    engine: Engine,
    actor: str,
    shape: str,
    *,
    trouble: str | None = None,
    status: int = 200,
) -> Response:
    chosen = filter_of(request)
    queue = await read_queue(engine, replace(chosen, window=WIDEST), actor)
    meant = [one for one in queue if one.shape == shape and one.risk != "high"][:MAX_BULK]
    rows = []
    async with engine.database.pool.connection() as connection:
        for one in meant:
            question = (await engine.gates.get(connection, one.gate_id)).question
            texts = {
                difference.title: difference.after
                for action in question.actions
                for difference in differences(action.args_schema, {}, action.args)
            }
            rows.append(Row(review=one, texts=texts, effects=question.effects))
    titles = list(dict.fromkeys(title for row in rows for title in row.texts))
    differing = [title for title in titles if len({row.texts.get(title) for row in rows}) > 1]
    return page(
        request,
        "alike.html",
        screen="reviews",
        status=status,
        shape=shape,
        rows=rows,
        columns=differing,
        equal={title: rows[0].texts.get(title, "") for title in titles if title not in differing},
        types=[kind for kind in TYPES if rows and all(kind in row.review.allowed for row in rows)],
        trouble=trouble,
        filter=chosen,
        waiting=(await engine.reviews.counts())["waiting"],
    )
