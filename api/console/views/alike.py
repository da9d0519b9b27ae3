"""Reviews of one shape side by side, to decide them together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fastapi import APIRouter
from fastapi.responses import Response

from api.console.ballot_form import MAX_FIELDS
from api.console.forms import fields, numeric, overview
from api.console.render import going, page
from api.console.review_screen import Desk, DeskDependency
from api.console.views.problems import ConsoleRoute, status_of
from api.console.views.queue import WIDEST, read_queue
from engine.errors import EngineError, InvalidDecisionError
from engine.reviews.ballots import MAX_BULK, Ballot
from engine.reviews.board import ReviewSummary
from engine.reviews.decision import Decision

router = APIRouter(
    prefix="/console/reviews/alike", include_in_schema=False, route_class=ConsoleRoute
)

VIA = "console"
NOTHING = ("", "", False)  # a field that a review does not have
TYPES = {"approve": "Approved", "reject": "Rejected"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One review: what it proposes, (title, text, numeric) by field, and what each choice does."""

    review: ReviewSummary
    facts: Mapping[str, tuple[str, str, bool]]
    effects: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One field over all rows; equal when every row says the same."""

    title: str
    texts: Sequence[str]
    numeric: bool = False

    @property
    def equal(self) -> bool:
        """Whether there is nothing to compare."""
        return len(set(self.texts)) == 1


@router.get("/{shape}")
async def alike(shape: str, desk: DeskDependency) -> Response:
    """Show the reviews of one shape side by side, to decide them together."""
    return await _alike(desk, shape)


@router.post("/{shape}")
async def decide_alike(shape: str, desk: DeskDependency) -> Response:
    """Decide the ticked reviews of one shape with one decision."""
    posted = await desk.request.form(max_fields=MAX_FIELDS)
    kind = str(posted.get("type", ""))
    message = str(posted.get("message", "")).strip() or None
    ballots = {}
    for ticked in posted.getlist("pick"):
        review_id, _, seen = str(ticked).partition("|")
        version, _, fingerprint = seen.partition("|")
        ballots[review_id] = Ballot(
            decisions=[Decision(type=kind, message=message)],  # type: ignore[arg-type]  # checked by the engine
            version=int(version) if version.isdecimal() else None,
            fingerprint=fingerprint,
        )
    try:
        if not ballots:
            raise InvalidDecisionError([{"pointer": "/reviews", "message": "tick at least one"}])
        await desk.engine.reviews.require(ballots, scope=desk.scope)
        async with desk.engine.database.transaction() as connection:
            outcomes = await desk.engine.reviews.decide_many(
                connection, ballots, actor=desk.actor, via=VIA
            )
    except EngineError as error:
        return await _alike(desk, shape, trouble=str(error), status=status_of(error))
    done = sum(one.gate is not None for one in outcomes)
    refusals = [str(one.error) for one in outcomes if one.error]
    said = f"{TYPES.get(kind, 'Decided')}: {done} of {len(outcomes)}"
    if refusals:
        said += f"; {refusals[0]}"
    return going(f"/console/reviews{desk.chosen.query}", said=said)


async def _alike(
    desk: Desk, shape: str, *, trouble: str | None = None, status: int = 200
) -> Response:
    engine = desk.engine
    everything = replace(desk.chosen, window=WIDEST)
    queue = await read_queue(engine, everything, desk.actor, desk.scope)
    meant = [one for one in queue if one.shape == shape and one.risk != "high"][:MAX_BULK]
    rows = []
    async with engine.database.pool.connection() as connection:
        for one in meant:
            question = (await engine.gates.get(connection, one.gate_id)).question
            facts = {
                f"{index}{field.pointer}": (field.title, overview(field), numeric([field]))
                for index, action in enumerate(question.actions)
                for field in fields(action.args_schema, action.args)
            }
            rows.append(Row(review=one, facts=facts, effects=question.effects))
    names = list(dict.fromkeys(name for row in rows for name in row.facts))
    columns = [_column([row.facts.get(name, NOTHING) for row in rows]) for name in names]
    return page(
        desk.request,
        "alike.html",
        screen="reviews",
        status=status,
        shape=shape,
        rows=rows,
        columns=[column for column in columns if not column.equal],
        equal=[column for column in columns if column.equal],
        types=[kind for kind in TYPES if rows and all(kind in row.review.allowed for row in rows)],
        trouble=trouble,
        filter=desk.chosen,
        waiting=(await engine.reviews.counts(desk.scope))["waiting"],
    )


def _column(facts: Sequence[tuple[str, str, bool]]) -> Column:
    """Return a field over all rows; what its title says in brackets moves beside texts it parts."""
    numbers = all(number for _, text, number in facts if text)
    titles = {title for title, _, _ in facts if title}
    if len(titles) == 1:
        return Column(title=titles.pop(), texts=[text for _, text, _ in facts], numeric=numbers)
    parted = [(title.partition(" ("), text) for title, text, _ in facts]
    return Column(
        title=next(name for (name, _, _), _ in parted if name),
        texts=[f"{text} {unit.rstrip(')')}".strip() for (_, _, unit), text in parted],
        numeric=numbers,
    )
