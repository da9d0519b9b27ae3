"""The inbox as one reviewer sees it: the queue, the review beside it, and where to go next."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response

from api.access import AccessDependency
from api.console import ballot_form
from api.console.ballot_form import Draft
from api.console.forms import Difference, Field, differences, fields, free_field
from api.console.render import going, page
from api.console.views.problems import status_of
from api.console.views.queue import Filter, filter_of, folded, read_queue
from api.dependencies import ActorDependency, EngineDependency
from engine.errors import (
    EngineError,
    NotFoundError,
    PreconditionFailedError,
)
from engine.gates.gate import UNANSWERED, Gate
from engine.reviews.board import ReviewDetail, ReviewFilter, ReviewSummary
from engine.runtime import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One reviewer at the inbox.

    Attributes:
        chosen: what the queue shows.
        scope: what the metadata of a thread must contain to exist for this reviewer.
    """

    request: Request
    engine: Engine
    actor: str
    chosen: Filter
    scope: Mapping[str, Any]

    @property
    def live(self) -> bool:
        """Whether the page is open already and wants parts of it only."""
        return self.request.headers.get("HX-Request") == "true"

    async def queue(self) -> Sequence[ReviewSummary]:
        """Return the reviews of the queue, the most urgent first."""
        return await read_queue(self.engine, self.chosen, self.actor, self.scope)

    async def detail(self, review_id: str) -> ReviewDetail:
        """Return a review with everything around it."""
        return await self.engine.reviews.get(review_id, viewer=self.actor, scope=self.scope)

    async def around(self) -> dict[str, Any]:
        """Return what every answer of this screen shows beside the review itself."""
        queue = await self.queue()
        counts = await self.engine.reviews.counts(self.scope)
        today = await self.engine.inspection.today(self.actor)
        shapes: dict[str, int] = {}
        for one in queue:
            if one.risk != "high":
                shapes[one.shape] = shapes.get(one.shape, 0) + 1
        absences = await self.engine.people.absences()
        away = next((one for one in absences if one.person == self.actor), None)
        return {
            "queue": queue,
            "lines": folded(queue),
            "alike": {shape: number for shape, number in shapes.items() if number > 1},
            "counts": counts,
            "waiting": counts["waiting"],
            # Who may see a part only is told of that one's own decisions only.
            "today": replace(today, decided=today.own, expired=0) if self.scope else today,
            "away": away if away and away.starts_at <= datetime.now(UTC) else None,
            "filter": self.chosen,
            "graphs": self.engine.registry.graph_ids,
        }

    async def news(
        self, review_id: str | None, version: str | None, state: str | None
    ) -> Mapping[str, Any] | None:
        """Return the review that is open in a page if it is not what the page shows any more."""
        if not review_id:
            return None
        async with self.engine.database.pool.connection() as connection:
            with suppress(NotFoundError):
                await self.engine.reviews.require([review_id], scope=self.scope)
                gate = await self.engine.gates.get(connection, review_id)
                if str(gate.version) != version or gate.state != state:
                    other = gate.state in UNANSWERED and version == str(gate.version)
                    return {"gate": gate, "other": other}
        return None

    async def screen(
        self,
        review_id: str | None,
        *,
        opened: bool = True,
        draft: Draft | None = None,
        status: int = 200,
        said: str | None = None,
        undo: Gate | None = None,
        with_queue: bool = True,
    ) -> Response:
        """Show a review beside the queue.

        Args:
            review_id: None when nothing waits.
            opened: whether the reviewer asked for it; a phone shows the queue first otherwise.
            draft: what was typed, when it could not be taken.
            status: of the answer.
            said: what was just done.
            undo: the review whose decision can be taken back.
            with_queue: false when the page has its queue already.
        """
        detail: ReviewDetail | None = None
        if review_id is not None:
            try:
                detail = await self.detail(review_id)
            except NotFoundError as error:
                draft, status = Draft(trouble=str(error)), 404
        around = await self.around() if with_queue else {"filter": self.chosen, "queue": ()}
        shown = {} if detail is None else await self._shown(detail)
        return page(
            self.request,
            "reviews_live.html" if self.live else "reviews.html",
            screen="reviews",
            headers={"HX-Push-Url": f"/console/reviews/{review_id or ''}{self.chosen.query}"},
            status=422 if draft and draft.errors and status == 200 else status,
            current=review_id,
            review=detail,
            opened=opened,
            draft=draft or Draft(),
            news=None,
            said=said,
            undo=undo.gate_id if undo else None,
            undo_seconds=undo_seconds(undo),
            with_queue=with_queue,
            **{**NOTHING_SHOWN, **shown, **around},
        )

    async def refused(
        self, review_id: str, form: Mapping[str, str], error: EngineError
    ) -> Response:
        """Show a review again, with why it was not decided and with everything typed."""
        status = status_of(error)
        changed: Sequence[Difference] = ()
        typed: Sequence[Difference] = ()
        errors = {
            ballot_form.field_name(str(flaw["pointer"])): str(flaw["message"])
            for flaw in error.values.get("errors", [])
        }
        with suppress(NotFoundError):
            detail = await self.detail(review_id)
            if isinstance(error, PreconditionFailedError):
                changed = ballot_form.since(detail, form)
            if status in (409, 410, 412):
                typed = ballot_form.typed(detail, form)
        draft = Draft(
            form=form,
            errors=errors,
            trouble=str(error),
            editing=form.get("type") in ("edit", ballot_form.EACH),
            changed=changed,
            typed=typed,
        )
        return await self.screen(review_id, draft=draft, status=status)

    async def go(self, review_id: str | None, *, said: str, undo: Gate | None = None) -> Response:
        """Go on to a review: at once for a live page, by a redirect for a plain form."""
        if self.live:
            queue = () if review_id else await self.queue()
            target = review_id or (queue[0].gate_id if queue else None)
            return await self.screen(target, said=said, undo=undo)
        address = f"/console/reviews/{review_id}" if review_id else "/console/reviews"
        return going(
            f"{address}{self.chosen.query}",
            said=said,
            undo=undo.gate_id if undo else None,
            undo_seconds=undo_seconds(undo),
        )

    async def _shown(self, detail: ReviewDetail) -> dict[str, Any]:
        same_thread = ReviewFilter(thread_id=detail.gate.thread_id, with_snoozed=True)
        listed = await self.engine.reviews.list(same_thread)
        at = self.request.query_params.get("at", "")
        return {
            "forms": _forms(detail),
            "previous": _previous(detail),
            "decided": _decided(detail),
            "siblings": [one for one in listed.items if one.gate_id != detail.gate.gate_id],
            "seen": ballot_form.seen(detail),
            "poisoned": await self.engine.repair.needed(detail.gate),
            "at": _as_it_was(detail, int(at)) if at.isdecimal() else None,
        }


NOTHING_SHOWN: Mapping[str, Any] = {
    "forms": (), "previous": None, "decided": (), "siblings": (), "seen": "", "poisoned": False,
    "at": None,
}  # fmt: skip


def _desk(
    request: Request, engine: EngineDependency, actor: ActorDependency, access: AccessDependency
) -> Desk:
    return Desk(
        request=request,
        engine=engine,
        actor=actor,
        chosen=filter_of(request),
        scope=access.scope,
    )


DeskDependency = Annotated[Desk, Depends(_desk)]


def undo_seconds(gate: Gate | None) -> float | None:
    """Return how long a decision can still be taken back."""
    if gate is None or gate.effective_at is None:
        return None
    return max(0.0, (gate.effective_at - gate.read_at).total_seconds())


def _forms(detail: ReviewDetail) -> Sequence[Sequence[Field]]:
    """Return the fields of each action's form, or of the answer's."""
    question = detail.question
    if question.actions:
        return [fields(action.args_schema, action.args) for action in question.actions]
    if question.answer_schema is None:
        return [[free_field(question.proposed)]]
    return [fields(question.answer_schema, question.proposed)]


def _previous(detail: ReviewDetail) -> dict[str, Any] | None:
    """Return how the same node's last proposal on this thread differs, and what became of it."""
    before = detail.previous
    if before is None:
        return None
    actions = before["actions"] or []
    return {
        **before,
        "changed": [
            differences(action.args_schema, earlier["args"], action.args)
            for action, earlier in zip(detail.question.actions, actions, strict=False)
            if action.name == earlier["name"]
        ],
    }


def _decided(detail: ReviewDetail) -> list[dict[str, Any]]:
    """Return what was decided about each action, with what the reviewer changed."""
    told = (detail.gate.decision or {}).get("decisions") or []
    return [
        {
            **one,
            "changed": differences(action.args_schema, action.args, one["args"])
            if action is not None and one.get("args") is not None
            else [],
        }
        for one, action in zip(told, [*detail.question.actions, *[None] * len(told)], strict=False)
    ]


def _as_it_was(detail: ReviewDetail, seq: int) -> dict[str, Any] | None:
    """Return the moment of an audit entry, and which proposal there was then."""
    until = [entry for entry in detail.activity if entry.seq <= seq]
    if not until:
        return None
    told = [entry.details["fingerprint"] for entry in until if "fingerprint" in entry.details]
    return {
        "entry": until[-1],
        "activity": until,
        "same": not told or told[-1] == detail.gate.fingerprint,
    }
