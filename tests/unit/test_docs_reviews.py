import re
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reviews.md"


def example() -> Any:
    """Return the page's first example as a compiled graph."""
    (code, *_) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, str(PAGE), "exec"), names)
    return names["graph"].compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [
        ({"type": "approve"}, {"ordered": True, "amount": 5}),
        (
            {
                "type": "edit",
                "edited_action": {"name": "create_order", "args": {"supplier": "B", "amount": 4}},
            },
            {"ordered": True, "amount": 4},
        ),
        ({"type": "expired"}, {"ordered": False, "amount": 5}),
    ],
)
def test_the_pages_gate_runs_as_it_is_printed(
    decision: dict[str, Any], outcome: dict[str, Any]
) -> None:
    graph = example()
    config = {"configurable": {"thread_id": "1"}}
    asked = graph.invoke({"supplier": "A", "amount": 5}, config)["__interrupt__"][0]

    result = graph.invoke(Command(resume={asked.id: {"decisions": [decision]}}), config)

    assert result.items() >= outcome.items()
