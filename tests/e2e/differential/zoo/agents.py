"""Agents made by `create_agent`, with a model that says what a script tells it to."""

import operator
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from langchain.agents import create_agent
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    TodoListMiddleware,
    ToolCallLimitMiddleware,
)
from langchain.agents.structured_output import ToolStrategy
from langchain.tools import ToolRuntime
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    BaseMessage,
    RemoveMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES, MessagesState, add_messages
from langgraph.types import Command, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict


class ScriptedModel(BaseChatModel):
    """Says the line of the script whose number is that of its earlier answers."""

    lines: list[AIMessage]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> "ScriptedModel":
        return self

    def _line(self, messages: list[BaseMessage]) -> AIMessage:
        return self.lines[sum(isinstance(message, AIMessage) for message in messages)]

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._line(messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        line = self._line(messages)
        words = str(line.content).split(" ") if line.content else [""]
        for number, word in enumerate(words):
            last = number == len(words) - 1
            chunk = AIMessageChunk(
                content=word if last else f"{word} ",
                id=line.id,
                tool_calls=line.tool_calls if last else [],
                usage_metadata=line.usage_metadata if last else None,
            )
            if run_manager:
                run_manager.on_llm_new_token(word, chunk=ChatGenerationChunk(message=chunk))
            yield ChatGenerationChunk(message=chunk)


def call(name: str, number: int, **args: Any) -> dict[str, Any]:
    """Return a tool call of the script."""
    return {"name": name, "args": args, "id": f"call-{number}", "type": "tool_call"}


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
async def pay(to: str, amount: int) -> str:
    """Pay somebody."""
    return f"paid {amount} to {to}"


@tool
async def ask(question: str) -> str:
    """Ask a person."""
    answer = interrupt({"question": question})
    return f"they said {answer}"


@tool
def book(city: str) -> Command:
    """Book a trip, and go on in the state."""
    return Command(
        update={
            "messages": [ToolMessage(f"booked {city}", tool_call_id="call-1", id="booked")],
            "city": city,
        }
    )


def plain(**attached: Any) -> Any:
    """Answers after two tools called at once."""
    lines = [
        AIMessage("", id="m1", tool_calls=[call("add", 1, a=1, b=2), call("add", 2, a=3, b=4)]),
        AIMessage(
            "three and seven",
            id="m2",
            usage_metadata={"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
        ),
    ]
    return create_agent(ScriptedModel(lines=lines), [add], system_prompt="count", **attached)


def guarded(**attached: Any) -> Any:
    """Pays only what a person looked at, both payments in one question."""
    lines = [
        AIMessage(
            "paying",
            id="m1",
            tool_calls=[call("pay", 1, to="ana", amount=5), call("pay", 2, to="bo", amount=6)],
        ),
        AIMessage("done", id="m2"),
        AIMessage("done again", id="m3"),
    ]
    review = HumanInTheLoopMiddleware(
        interrupt_on={"pay": {"allowed_decisions": ["approve", "edit", "reject", "respond"]}}
    )
    return create_agent(ScriptedModel(lines=lines), [pay], middleware=[review], **attached)


def asking(**attached: Any) -> Any:
    """Calls three tools at once that each stop to ask."""
    questions = ["one", "two", "three"]
    lines = [
        AIMessage(
            "",
            id="m1",
            tool_calls=[call("ask", number, question=q) for number, q in enumerate(questions)],
        ),
        AIMessage("thanks", id="m2"),
    ]
    return create_agent(ScriptedModel(lines=lines), [ask], **attached)


def per_call(**attached: Any) -> Any:
    """Asks about every payment on its own, with a schema."""
    lines = [
        AIMessage(
            "",
            id="m1",
            tool_calls=[call("pay", 1, to="ana", amount=5), call("pay", 2, to="bo", amount=6)],
        ),
        AIMessage("done", id="m2"),
    ]
    review = HumanInTheLoopMiddleware(
        interrupt_on={"pay": {"allowed_decisions": ["approve", "edit", "reject"]}},
        interrupt_mode="per_call",
    )
    return create_agent(ScriptedModel(lines=lines), [pay], middleware=[review], **attached)


class Weather(BaseModel):
    """What the weather is like."""

    city: str
    degrees: int


def structured(**attached: Any) -> Any:
    """Answers with an object."""
    lines = [
        AIMessage("", id="m1", tool_calls=[call("add", 1, a=1, b=2)]),
        AIMessage("", id="m2", tool_calls=[call("Weather", 2, city="Oslo", degrees=-3)]),
        AIMessage("", id="m3", tool_calls=[call("Weather", 3, city="Rome", degrees=21)]),
    ]
    return create_agent(
        ScriptedModel(lines=lines), [add], response_format=ToolStrategy(Weather), **attached
    )


def supervising(**attached: Any) -> Any:
    """Asks another agent by a tool, which asks a person."""
    expert = create_agent(
        ScriptedModel(
            lines=[
                AIMessage("let me see", id="e1", tool_calls=[call("ask", 7, question="which?")]),
                AIMessage("the red one", id="e2"),
            ]
        ),
        [ask],
        name="expert",
    )

    @tool
    async def consult(question: str, runtime: ToolRuntime) -> str:
        """Ask the expert."""
        runtime.stream_writer({"asking": question, "seen": len(runtime.state["messages"])})
        said = {"messages": [{"role": "user", "content": question, "id": "q1"}]}
        done = await expert.ainvoke(said)
        return str(done["messages"][-1].content)

    lines = [
        AIMessage("", id="m1", tool_calls=[call("consult", 1, question="what")]),
        AIMessage("it is red", id="m2"),
    ]
    return create_agent(
        ScriptedModel(lines=lines),
        [consult],
        middleware=[
            TodoListMiddleware(),
            ModelCallLimitMiddleware(thread_limit=9),
            ToolCallLimitMiddleware(run_limit=5),
        ],
        **attached,
    )


class Travel(MessagesState):
    city: str


def travelling(**attached: Any) -> Any:
    """Its tool answers with a Command."""
    lines = [
        AIMessage("", id="m1", tool_calls=[call("book", 1, city="Oslo")]),
        AIMessage("bon voyage", id="m2"),
    ]
    return create_agent(ScriptedModel(lines=lines), [book], state_schema=Travel, **attached)


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    turns: Annotated[int, operator.add]


def trim(state: Chat) -> dict[str, Any]:
    if len(state["messages"]) > 6:
        return {"messages": [RemoveMessage(REMOVE_ALL_MESSAGES), *state["messages"][-2:]]}
    return {"messages": [RemoveMessage(str(m.id)) for m in state["messages"][:-3]]}


def reply(state: Chat) -> dict[str, Any]:
    return {"messages": [AIMessage("yes", id=f"a{state['turns']}")], "turns": 1}


trimming = (
    StateGraph(Chat)
    .add_node("reply", reply)
    .add_node("trim", trim)
    .add_edge(START, "reply")
    .add_edge("reply", "trim")
    .add_edge("trim", END)
)
