"""The page behind a link of a notification: it shows one review, and says where it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi.responses import HTMLResponse

from api.console.forms import fields
from api.console.render import environment
from engine.gates.gate import UNANSWERED, Gate
from engine.links import Link

# A page that a mail client opens must neither be kept nor be able to do anything but post.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self';"
    " form-action 'self'; frame-ancestors 'none'",
    # Under `no-referrer` the form's post would carry the origin `null`, which is refused.
    "Referrer-Policy": "same-origin",
}
DONE: Mapping[str, str] = {"approve": "Approved.", "reject": "Rejected.", "respond": "Sent."}
DECIDED: Mapping[str, str] = {
    "approve": "approved", "edit": "approved with changes", "reject": "rejected",
    "respond": "answered", "answer": "answered",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Why nothing can be decided by a link; `tone` colours it."""

    what: str
    more: str = ""
    tone: str = "warn"


def link_page(
    link: Link,
    gate: Gate,
    choices: Sequence[str],
    *,
    status: int = 200,
    trouble: str | None = None,
    typed: str = "",
    decided: str | None = None,
) -> HTMLResponse:
    """Return the page of a link.

    Args:
        link: the link as it stands.
        gate: the review as it stands.
        choices: what may be decided by it.
        status: of the answer.
        trouble: why what was sent was not taken.
        typed: the comment that was sent with it.
        decided: the decision that was just taken.
    """
    done = None if decided is None else DONE[decided]
    if decided is not None and gate.state in UNANSWERED:
        done = f"Your vote is counted; {gate.quorum} are needed."
    return _page(
        status,
        link=link,
        gate=gate,
        choices=choices,
        forms=[fields(action.args_schema, action.args) for action in gate.question.actions],
        standing=None if choices else standing(link, gate),
        trouble=trouble,
        typed=typed,
        done=done,
    )


def broken_link_page(trouble: str, *, status: int) -> HTMLResponse:
    """Return the page of a link that was not made here, or is damaged."""
    return _page(status, link=None, gate=None, trouble=trouble)


def standing(link: Link, gate: Gate) -> Standing:
    """Return why nothing can be decided by a link."""
    if gate.state == "expired":
        return Standing(what="This has expired.", more="A decision would come too late.")
    if gate.decided_by and gate.decided_at:
        kind = ((gate.decision or {}).get("decisions") or [{}])[0]
        word = DECIDED.get(str(kind.get("type")), "decided")
        words = f"“{kind['message']}”" if kind.get("message") else ""
        who = "You" if gate.decided_by == link.person else gate.decided_by
        what = f"{who} {word} this at {gate.decided_at:%Y-%m-%d %H:%M} UTC."
        return Standing(what=what, more=words, tone="good")
    if gate.state not in UNANSWERED:
        return Standing(what="The agent no longer asks this.")
    if link.used_at is not None:
        return Standing(what="This link was used.", more="It works once. The review is still open.")
    if link.expired:
        return Standing(what="This link has expired.", more="The review is still open.")
    if gate.risk == "high":
        return Standing(what="High risk is decided in the console, not by a link.")
    if gate.fingerprint != link.fingerprint:
        return Standing(
            what="The proposal has changed since this link was sent.",
            more="Below is the present one. Decide it in the console.",
        )
    return Standing(what="This is decided in the console, not by a link.")


def _page(status: int, **values: object) -> HTMLResponse:
    html = environment().get_template("link.html").render(**values)
    return HTMLResponse(html, status, headers=HEADERS)
