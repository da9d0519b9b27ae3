"""Everything a run can stream: tokens, custom data, a subgraph, a question, a failure.

draft (subgraph: write) -> review -> publish
"""

import asyncio
from typing import Annotated

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt
from typing_extensions import TypedDict

ANSWER = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean"},
        "amount": {"type": "number"},
        "comment": {"type": "string"},
    },
    "required": ["approved"],
}


class Talk(TypedDict, total=False):
    """`ask` puts the question, `fail` raises, `seconds` keeps the last node busy."""

    messages: Annotated[list[AnyMessage], add_messages]
    ask: bool
    fail: str
    seconds: float
    amount: float
    outcome: str


async def write(state: Talk) -> Talk:
    get_stream_writer()({"progress": 50})
    reply = AIMessage("one two three", id=f"reply-{len(state.get('messages', []))}")
    model = GenericFakeChatModel(messages=iter([reply]))
    return {"messages": [await model.ainvoke(state.get("messages", []))]}


def review(state: Talk) -> Talk:
    if not state.get("ask"):
        return {"outcome": "unasked"}
    proposal = {"question": "publish?", "amount": state.get("amount", 0.0)}
    answer = interrupt(proposal, response_schema=ANSWER)
    return {"outcome": "approved" if answer["approved"] else "declined", **_amount(answer)}


async def publish(state: Talk) -> Talk:
    if state.get("fail"):
        raise ValueError(state["fail"])
    await asyncio.sleep(state.get("seconds", 0.0))
    return {}


def _amount(answer: dict) -> Talk:
    return {"amount": answer["amount"]} if "amount" in answer else {}


child = StateGraph(Talk).add_node("write", write).add_edge(START, "write").add_edge("write", END)
graph = (
    StateGraph(Talk)
    .add_node("draft", child.compile())
    .add_node("review", review)
    .add_node("publish", publish)
    .add_edge(START, "draft")
    .add_edge("draft", "review")
    .add_edge("review", "publish")
    .add_edge("publish", END)
)
