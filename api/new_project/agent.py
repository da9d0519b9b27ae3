"""A small agent that asks before it acts.

START -> draft -> review -> send -> END
"""

from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

# State is JSON shapes only, so that a thread can be read in any version to come.


class Letter(TypedDict, total=False):
    """What the agent knows."""

    topic: str
    text: str
    decision: Literal["approve", "edit", "reject"]
    sent: bool


async def draft(state: Letter) -> Letter:
    """Write a first version. Put the call of your model here."""
    return {"text": f"Dear reader,\n\nthis is about {state.get('topic', 'nothing yet')}."}


async def review(state: Letter) -> Letter:
    """Stop until a person has decided; nothing runs or waits in memory meanwhile."""
    answer: dict[str, Any] = interrupt(
        {
            "action_requests": [{"name": "send_letter", "args": {"text": state["text"]}}],
            "review_configs": [
                {
                    "action_name": "send_letter",
                    "allowed_decisions": ["approve", "edit", "reject"],
                }
            ],
        }
    )
    decision = answer["decisions"][0]
    if decision["type"] == "edit":
        return {"decision": "edit", "text": decision["edited_action"]["args"]["text"]}
    return {"decision": decision["type"]}


async def send(state: Letter) -> Letter:
    """Act on the decision; a node runs again after a crash, so let what it does bear that."""
    return {"sent": state["decision"] != "reject"}


graph = (
    StateGraph(Letter)
    .add_node("draft", draft)
    .add_node("review", review)
    .add_node("send", send)
    .add_edge(START, "draft")
    .add_edge("draft", "review")
    .add_edge("review", "send")
    .add_edge("send", END)
)
