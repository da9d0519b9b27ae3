"""Asks what its input tells it to ask: one after the other in one node, or all at once."""

import operator
from typing import Annotated, Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send, interrupt
from typing_extensions import TypedDict


class Asking(TypedDict, total=False):
    questions: list[Any]
    response_schema: Any
    at_once: bool
    wants_numbers: bool
    answers: Annotated[list[Any], operator.add]


def way(state: Asking) -> str | list[Send]:
    if not state.get("at_once"):
        return "ask_in_turn"
    return [Send("ask_one", {**state, "questions": [one]}) for one in state["questions"]]


def ask_in_turn(state: Asking) -> Asking:
    schema = state.get("response_schema")
    answers = [interrupt(one, response_schema=schema) for one in state["questions"]]
    if state.get("wants_numbers"):
        answers = [answer + 1 for answer in answers]
    return {"answers": answers}


def ask_one(state: Asking) -> Asking:
    return ask_in_turn(state)


builder = StateGraph(Asking)
builder.add_node("ask_in_turn", ask_in_turn)
builder.add_node("ask_one", ask_one)
builder.add_conditional_edges(START, way, ["ask_in_turn", "ask_one"])
builder.add_edge("ask_in_turn", END)
builder.add_edge("ask_one", END)
graph = builder.compile()
