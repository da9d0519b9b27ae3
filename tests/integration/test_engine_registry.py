import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore

from engine.errors import ConfigurationError, InvalidValueError
from engine.registry import Registry, load_registry

BUILDER = """
from typing_extensions import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    text: str

def builder(suffix="!"):
    graph = StateGraph(State)
    graph.add_node("shout", lambda state: {"text": state["text"] + suffix})
    graph.add_edge(START, "shout")
    graph.add_edge("shout", END)
    return graph
"""

Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    before, modules = list(sys.path), set(sys.modules)

    def write(graphs: dict[str, Any], files: dict[str, str], **keys: Any) -> Path:
        for name, text in {"pieces.py": BUILDER, **files}.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(text))
        config = tmp_path / "langgraph.json"
        config.write_text(json.dumps({"graphs": graphs, "dependencies": ["."], **keys}))
        return config

    yield write
    sys.path[:] = before
    for name in set(sys.modules) - modules:
        module_file = getattr(sys.modules[name], "__file__", None) or ""
        if module_file.startswith(str(tmp_path)):
            del sys.modules[name]


async def shout(registry: Registry, graph_id: str, **options: Any) -> str:
    async with registry.graph(graph_id, **options) as graph:
        result = await graph.ainvoke({"text": "hey"})
    return str(result["text"])


FACTORIES = {
    "compiled": "graph = builder().compile()",
    "uncompiled": "graph = builder()",
    "no_arguments": "def graph():\n    return builder()",
    "asynchronous": "async def graph():\n    return builder().compile()",
    "context_manager": (
        "import contextlib\n@contextlib.contextmanager\ndef graph():\n    yield builder()"
    ),
    "async_context_manager": (
        "import contextlib\n@contextlib.asynccontextmanager\n"
        "async def graph():\n    yield builder()"
    ),
}


@pytest.mark.parametrize("kind", FACTORIES)
async def test_every_way_to_name_a_graph_gives_a_graph_that_runs(
    project: Project, kind: str
) -> None:
    config = project(
        {"agent": "./agent.py:graph"},
        {"agent.py": f"from pieces import builder\n{FACTORIES[kind]}"},
    )

    registry = await load_registry(config)

    assert await shout(registry, "agent") == "hey!"


async def test_a_factory_gets_the_config_of_the_run(project: Project) -> None:
    agent = """
        from langchain_core.runnables import RunnableConfig
        from pieces import builder
        def graph(config: RunnableConfig):
            return builder(config["configurable"].get("suffix", "?"))
    """
    registry = await load_registry(project({"agent": "./agent.py:graph"}, {"agent.py": agent}))

    loud = await shout(registry, "agent", config={"configurable": {"suffix": "!!!"}})

    assert (loud, await shout(registry, "agent")) == ("hey!!!", "hey?")


async def test_a_factory_with_postponed_annotations_gets_the_server_runtime(
    project: Project,
) -> None:
    agent = """
        from __future__ import annotations
        from contextlib import asynccontextmanager
        from langgraph_sdk.runtime import ServerRuntime
        from pieces import builder
        @asynccontextmanager
        async def graph(runtime: ServerRuntime[dict]):
            run = runtime.execution_runtime
            yield builder(f"/{runtime.access_context}/{run and run.context}")
    """
    registry = await load_registry(project({"agent": "./agent.py:graph"}, {"agent.py": agent}))

    running = await shout(registry, "agent", context={"a": 1}, store=InMemoryStore())
    reading = await shout(registry, "agent", access="threads.read", context={"a": 1})

    assert running == "hey/threads.create_run/{'a': 1}"
    assert reading == "hey/threads.read/None"


async def test_a_context_manager_is_left_after_each_use(project: Project) -> None:
    agent = """
        import contextlib
        from pieces import builder
        log = []
        @contextlib.asynccontextmanager
        async def graph():
            log.append("in")
            yield builder()
            log.append("out")
    """
    registry = await load_registry(project({"agent": "./agent.py:graph"}, {"agent.py": agent}))

    await shout(registry, "agent")

    assert sys.modules["agent"].log == ["in", "out"]


async def test_a_dotted_module_and_a_file_of_the_same_package_are_one_module(
    project: Project,
) -> None:
    files = {"flows/__init__.py": "", "flows/one.py": "from pieces import builder\ngraph=builder()"}
    config = project({"by_module": "flows.one:graph", "by_file": "./flows/one.py:graph"}, files)

    registry = await load_registry(config)

    assert registry.graph_ids == ["by_module", "by_file"]
    assert "project_flows_one" not in sys.modules


async def test_a_file_that_cannot_be_imported_by_name_gets_a_stable_module_name(
    project: Project,
) -> None:
    files = {"my-flows/one.py": "from pieces import builder\ngraph=builder()"}

    registry = await load_registry(project({"agent": "./my-flows/one.py:graph"}, files))

    assert registry.graph_ids == ["agent"]
    assert sys.modules["project_my_flows_one"].graph is not None


BROKEN = {
    "raises": ("from pieces import builder\n\nraise RuntimeError('no key')", "no key", 3),
    "syntax": ("x = 1\ndef graph(:\n", "SyntaxError", 2),
    "import": ("import absent_module_xyz", "absent_module_xyz", 1),
    "factory": ("def graph():\n    return missing_name", "missing_name", 2),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_graph_that_fails_is_reported_with_file_and_line_and_the_others_serve(
    project: Project, kind: str
) -> None:
    text, message, line = BROKEN[kind]
    files = {"good.py": "from pieces import builder\ngraph = builder()", "bad.py": text}
    config = project({"bad": "./bad.py:graph", "good": "./good.py:graph"}, files)

    registry = await load_registry(config)

    failure = registry.failures["bad"]
    assert registry.graph_ids == ["good"]
    assert message in failure.error
    assert (failure.file, failure.line) == (str(config.parent / "bad.py"), line)


async def test_a_name_of_ours_that_a_project_uses_is_explained(project: Project) -> None:
    files = {
        "good.py": "from pieces import builder\ngraph = builder()",
        "bad.py": "import engine.own_thing",
    }
    config = project({"bad": "./bad.py:graph", "good": "./good.py:graph"}, files)

    registry = await load_registry(config)

    assert "taken by the server" in registry.failures["bad"].error


async def test_a_factory_that_wants_something_else_is_refused(project: Project) -> None:
    files = {
        "good.py": "from pieces import builder\ngraph = builder()",
        "bad.py": "def graph(a, b): ...",
    }
    config = project({"bad": "./bad.py:graph", "good": "./good.py:graph"}, files)

    registry = await load_registry(config)

    assert "cannot be told a, b" in registry.failures["bad"].error


async def test_asking_for_an_unknown_graph_names_the_known_ones(project: Project) -> None:
    agent = "from pieces import builder\ngraph = builder()"
    registry = await load_registry(project({"agent": "./agent.py:graph"}, {"agent.py": agent}))

    with pytest.raises(InvalidValueError, match="one of 'agent'"):
        registry.require("other")


async def test_no_graph_at_all_stops_the_start(project: Project) -> None:
    config = project({"agent": "./agent.py:graph"}, {"agent.py": "graph = 1"})

    with pytest.raises(ConfigurationError, match="neither a graph nor a function"):
        await load_registry(config)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"auth": {"path": "./absent.py:auth"}}, "absent.py not found"),
        ({"auth": {"path": "./pieces.py:builder"}}, "not a Auth"),
        ({"auth": {"path": "pieces"}}, "must have the form"),
        ({"encryption": {"path": "a:b"}}, "encryption"),
        ({"checkpointer": {"path": "a:b"}}, "always kept in Postgres"),
        ({"checkpointer": {"ttl": {"strategy": "sometimes"}}}, "checkpointer.ttl.strategy"),
        ({"http": {"disable_thread": True}}, "http.disable_thread"),
    ],
)
async def test_a_setting_that_cannot_be_honoured_stops_the_start(
    project: Project, keys: dict[str, Any], message: str
) -> None:
    agent = "from pieces import builder\ngraph = builder()"
    config = project({"agent": "./agent.py:graph"}, {"agent.py": agent}, **keys)

    with pytest.raises(ConfigurationError, match=message):
        await load_registry(config)


@pytest.mark.parametrize("env", [{"HOLDFAST_TEST_GREETING": "hi"}, ".env"])
async def test_the_environment_is_there_when_graphs_are_imported(
    project: Project, monkeypatch: pytest.MonkeyPatch, env: Any
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ})
    agent = """
        import os
        from pieces import builder
        graph = builder(os.environ["HOLDFAST_TEST_GREETING"])
    """
    files = {"agent.py": agent, ".env": "HOLDFAST_TEST_GREETING=hi\n"}

    registry = await load_registry(project({"agent": "./agent.py:graph"}, files, env=env))

    assert await shout(registry, "agent") == "heyhi"


async def test_an_auth_that_signs_everybody_in_stops_the_start(project: Project) -> None:
    files = {"own_auth.py": "from langgraph_sdk import Auth\nauth = Auth()\n"}
    config = project({"shout": "./pieces.py:builder"}, files, auth={"path": "./own_auth.py:auth"})

    with pytest.raises(ConfigurationError, match="has no @auth"):
        await load_registry(config)


TAKEN = """
    from langchain_core.runnables import RunnableConfig
    from langgraph.func import entrypoint
    from pieces import builder
    made = []
    def graph(config: RunnableConfig):
        made.append(config)
        if config["configurable"].get("takes") == "text":
            @entrypoint()
            def shout(text: str) -> str:
                return text
            return shout
        return builder()
"""


async def test_an_input_is_checked_for_a_graph_that_is_made_anew(project: Project) -> None:
    registry = await load_registry(project({"agent": "./agent.py:graph"}, {"agent.py": TAKEN}))

    await registry.check_input("agent", {"text": "hey"})
    with pytest.raises(InvalidValueError, match="/input must be an object"):
        await registry.check_input("agent", "hey")


async def test_an_input_is_checked_against_the_graph_of_its_own_config(project: Project) -> None:
    registry = await load_registry(project({"agent": "./agent.py:graph"}, {"agent.py": TAKEN}))

    await registry.check_input("agent", {"text": "hey"})
    await registry.check_input("agent", "hey", {"configurable": {"takes": "text"}})


async def test_a_factory_is_asked_once_for_what_its_graphs_take(project: Project) -> None:
    registry = await load_registry(project({"agent": "./agent.py:graph"}, {"agent.py": TAKEN}))

    for _ in range(3):
        await registry.check_input("agent", {"text": "hey"})

    assert len(sys.modules["agent"].made) == 1


async def test_a_factory_that_fails_keeps_no_input_out(project: Project) -> None:
    agent = "def graph(config: dict):\n    raise OSError('no model today')"
    registry = await load_registry(project({"agent": "./agent.py:graph"}, {"agent.py": agent}))

    await registry.check_input("agent", "hey")


async def test_the_messages_of_a_graph_that_is_made_anew_are_known(project: Project) -> None:
    agent = """
        from typing import Annotated
        from langgraph.graph import START, StateGraph
        from langgraph.graph.message import add_messages
        from typing_extensions import TypedDict

        class Talk(TypedDict):
            said: Annotated[list, add_messages]

        def graph(config: dict):
            return StateGraph(Talk).add_node("node", lambda state: {}).add_edge(START, "node")
    """
    registry = await load_registry(project({"agent": "./agent.py:graph"}, {"agent.py": agent}))

    assert (await registry.intake("agent")).message_channels >= {"said"}
