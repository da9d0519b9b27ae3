"""Anybody's graphs behave here as in plain LangGraph: the same scripts, played both ways.

What is told of a script (states, histories, questions, streams, errors) has to be the same but for
ids and clocks. `differential/differences.py` says what is not, and why.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Command
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.e2e.differential.comparison import difference
from tests.e2e.differential.differences import REMOTE_LIMITS
from tests.e2e.differential.scripts import SCRIPTS
from tests.e2e.differential.worlds import (
    PROJECT_FILE,
    HttpThread,
    InProcess,
    OverHttp,
    Remotely,
    in_process,
)

DEADLINE_SECONDS = 60.0
BEYOND_REMOTE = {name for names in REMOTE_LIMITS.values() for name in names}
# By RemoteGraph in every run of the tests; the others come to the same requests.
REMOTE = frozenset(
    {
        "an_agent_calls_tools_at_once",
        "an_agents_tokens_are_streamed",
        "a_person_approves_edits_rejects_and_responds",
        "questions_of_tools_are_answered_at_once",
        "an_agent_asks_another_which_asks_a_person",
        "sends_fan_out_and_are_gathered",
        "a_node_says_where_to_go",
        "a_subgraph_hands_over_to_its_parent",
        "a_loop_hits_its_limit",
        "every_mode_is_streamed",
        "a_graph_stops_where_it_was_compiled_to",
        "a_run_stops_where_it_is_told_to",
        "two_questions_of_one_node",
        "a_question_has_a_type",
        "a_state_is_one_value",
        "a_question_two_levels_down",
        "a_subgraph_in_every_mode",
        "a_subgraphs_own_state_and_history",
        "a_subgraph_stops_and_is_changed",
        "an_entrypoint_remembers_what_it_saved",
        "an_entrypoint_asks_between_tasks",
        "a_node_raises_and_is_run_again",
        "a_failure_two_levels_down",
        "a_state_holds_what_python_has",
        "only_the_output_schema_is_answered",
        "a_run_is_told_context_and_configurable",
        "a_state_is_written_as_a_node",
        "a_thread_is_forked_by_an_update",
        "history_is_filtered_and_paged",
    }
)
HELD = ("held_fan", "held_child", "held_entrypoint")


@pytest.fixture(scope="module")
def zoo_server(start_server: Callable[..., Any]) -> Any:
    """Return a server with the graphs of the zoo, for this module alone."""
    return start_server(config=PROJECT_FILE)


@pytest.fixture(scope="module")
def plain_database(create_database: Callable[..., str]) -> str:
    """Return a database with nothing but LangGraph's own tables."""
    url = create_database()

    async def set_up() -> None:
        async with in_process(url) as world:
            await world.set_up()

    asyncio.run(set_up())
    return url


@pytest.fixture
async def plain(plain_database: str) -> AsyncIterator[InProcess]:
    async with in_process(plain_database) as world:
        yield world


@pytest.fixture
async def client(zoo_server: Any) -> AsyncIterator[LangGraphClient]:
    client = get_client(url=zoo_server.url, timeout=DEADLINE_SECONDS)
    yield client
    await client.aclose()


def assert_same(expected: list[Any], actual: list[Any]) -> None:
    differs = difference(expected, actual)
    if differs:
        pytest.fail(differs, pytrace=False)


@pytest.mark.parametrize("name", SCRIPTS)
async def test_it_is_the_same_over_http(name: str, plain: InProcess, client: LangGraphClient):
    expected = await SCRIPTS[name](plain)

    actual = await SCRIPTS[name](OverHttp(client=client))

    assert_same(expected, actual)


@pytest.mark.parametrize(
    "name",
    [
        name if name in REMOTE else pytest.param(name, marks=pytest.mark.long)
        for name in SCRIPTS
        if name not in BEYOND_REMOTE
    ],
)
async def test_it_is_the_same_as_a_remote_graph(
    name: str, plain: InProcess, client: LangGraphClient
):
    expected = await SCRIPTS[name](plain)

    actual = await SCRIPTS[name](Remotely(client=client))

    assert_same(expected, actual)


async def test_a_graph_that_cannot_be_made_fails_its_run(client: LangGraphClient):
    made = await client.threads.create()

    answer = await client.runs.wait(
        made["thread_id"], "broken_factory", input={}, raise_error=False
    )

    assert answer == {"__error__": {"error": "RuntimeError", "message": "cannot be made"}}


@pytest.mark.parametrize("name", ["leaving", "leaving_thread"])
async def test_a_graph_that_exits_ends_its_run_and_nothing_else(name: str, client: LangGraphClient):
    made = await client.threads.create()

    answer = await client.runs.wait(made["thread_id"], name, input={}, raise_error=False)

    assert answer["__error__"]["error"] == "GraphExitError"
    assert (await client.threads.get(made["thread_id"]))["status"] == "error"


@pytest.mark.parametrize("name", ["refusing_reducer", "two_writers"])
async def test_a_state_that_cannot_be_computed_is_shown_as_it_was_before(
    name: str, client: LangGraphClient
):
    made = await client.threads.create()
    await client.runs.wait(made["thread_id"], name, input={}, raise_error=False)

    state = await client.threads.get_state(made["thread_id"])
    thread = await client.threads.get(made["thread_id"])

    assert len(state["next"]) == len(state["tasks"]) > 0
    assert thread["status"] == "error"


async def test_a_threads_values_are_its_whole_state(client: LangGraphClient):
    made = await client.threads.create()
    answer = await client.runs.wait(made["thread_id"], "schemas", input={"asked": "abc"})

    thread = await client.threads.get(made["thread_id"])

    assert answer == {"answered": "CBA"}
    assert (thread["values"]["hidden"], thread["values"]["secret"]) == ("cba", "s")


async def test_a_question_is_answered_as_soon_as_it_is_seen(client: LangGraphClient):
    thread = await OverHttp(client=client).thread("two_questions")
    answer: Any = None

    async for part in thread.parts({}, ["updates"]):
        for seen in part.data.get("__interrupt__", ()):
            answer = await thread.invoke(Command(resume={seen["id"]: "one"}))

    (question,) = answer["__interrupt__"]
    assert question["value"] == {"ask": "second", "first": "one"}


async def test_a_killed_server_leaves_no_trace(
    plain: InProcess, client: LangGraphClient, zoo_server: Any, tmp_path: Path
):
    folders = {name: tmp_path / name for name in HELD}
    for folder in folders.values():
        folder.mkdir()
        (folder / "first").touch()
        (folder / "second").touch()
    expected = [await undisturbed(plain, name, folders[name]) for name in HELD]
    for folder in folders.values():
        (folder / "first").unlink()
        (folder / "second").unlink()
    threads = [await OverHttp(client=client).thread(name) for name in HELD]
    actual: list[list[Any]] = [[] for _ in HELD]

    for value, name in ((None, "first"), (Command(resume="yes"), "second")):
        inputs = [value or given(graph, folders[graph]) for graph in HELD]
        run_ids = await asyncio.gather(
            *(until_it_holds(thread, value) for thread, value in zip(threads, inputs, strict=True))
        )
        zoo_server.kill()
        for folder in folders.values():
            (folder / name).touch()
        zoo_server.start()
        for thread, run_id, seen in zip(threads, run_ids, actual, strict=True):
            seen.append(await client.runs.join(thread.thread_id, run_id))
            seen.append(await thread.state())

    for thread, seen in zip(threads, actual, strict=True):
        seen.append(await thread.history(limit=30))
    assert_same(expected, actual)


def given(name: str, folder: Path) -> Any:
    """Return the input of a graph that holds still."""
    return str(folder) if name == "held_entrypoint" else {"folder": str(folder)}


async def undisturbed(world: InProcess, name: str, folder: Path) -> list[Any]:
    thread = await world.thread(name)
    seen = [await thread.invoke(given(name, folder)), await thread.state()]
    seen += [await thread.invoke(Command(resume="yes")), await thread.state()]
    return [*seen, await thread.history(limit=30)]


async def until_it_holds(thread: HttpThread, value: Any) -> str:
    """Start a run and return its id once the graph holds still."""
    run_id = ""
    async for part in thread.parts(value, ["custom"], subgraphs=True):
        if part.event == "metadata":
            run_id = part.data["run_id"]
        elif "holding" in part.data:
            return run_id
    pytest.fail(f"run {run_id} ended without holding")
