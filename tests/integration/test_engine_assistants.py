import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.assistants import Assistant, Assistants, system_assistant_id
from engine.database import Database, open_database
from engine.errors import AlreadyExistsError, ConflictError, InvalidValueError, NotFoundError
from engine.registry import Registry, load_registry

GRAPHS = Path(__file__).resolve().parents[1] / "graphs"
ECHO = system_assistant_id("echo")
MINE = "00000000-0000-4000-8000-00000000000a"


@pytest.fixture
async def database(migrated_database: str) -> AsyncIterator[Database]:
    async with open_database(migrated_database, max_connections=8) as database:
        yield database


@pytest.fixture
async def registry() -> Registry:
    return await load_registry(GRAPHS / "langgraph.json")


@pytest.fixture
async def assistants(database: Database, registry: Registry) -> Assistants:
    service = Assistants(database=database, registry=registry)
    await service.add_system_assistants()
    return service


async def create(assistants: Assistants, **options: Any) -> Assistant:
    async with assistants.database.transaction() as connection:
        return await assistants.create(connection, **options)


def test_a_system_assistant_has_the_id_that_clients_compute() -> None:
    assert system_assistant_id("agent") == "fe096781-5601-53d2-b2f6-0d3403f7e9ca"


async def test_each_graph_has_its_system_assistant_once(assistants: Assistants) -> None:
    await assistants.add_system_assistants()

    page = await assistants.search(metadata={"created_by": "system"}, limit=100)

    assert {item.graph_id for item in page.items} == set(assistants.registry.graph_ids)
    assert page.total == len(assistants.registry.graph_ids)
    assert [item.version for item in await assistants.versions(ECHO)] == [1]


async def test_an_assistant_is_found_by_its_graphs_name(assistants: Assistants) -> None:
    assert (await assistants.get("echo")).assistant_id == ECHO


async def test_an_assistant_of_an_unknown_graph_is_refused(assistants: Assistants) -> None:
    with pytest.raises(InvalidValueError, match="/graph_id"):
        await create(assistants, graph_id="absent")


async def test_a_taken_id_is_refused_or_returned_as_asked(assistants: Assistants) -> None:
    made = await create(assistants, graph_id="echo", assistant_id=MINE, name="first")

    again = await create(assistants, graph_id="echo", assistant_id=MINE, if_exists="do_nothing")
    with pytest.raises(AlreadyExistsError):
        await create(assistants, graph_id="echo", assistant_id=MINE)

    assert again == made


async def test_a_change_merges_metadata_replaces_the_rest_and_makes_a_version(
    assistants: Assistants,
) -> None:
    made = await create(
        assistants,
        graph_id="echo",
        metadata={"a": 1},
        config={"tags": ["x"]},
        context={"model": "m"},
    )

    changed = await assistants.update(
        made.assistant_id, metadata={"b": 2}, config={"recursion_limit": 9}, name="new"
    )

    assert changed.version == 2
    assert changed.metadata == {"a": 1, "b": 2}
    assert changed.config == {"recursion_limit": 9}
    assert changed.context == {"model": "m"}


async def test_concurrent_changes_get_versions_of_their_own(assistants: Assistants) -> None:
    made = await create(assistants, graph_id="echo")

    changed = await asyncio.gather(
        *(assistants.update(made.assistant_id, metadata={str(n): n}) for n in range(6))
    )

    assert sorted(item.version for item in changed) == [2, 3, 4, 5, 6, 7]
    assert (await assistants.get(made.assistant_id)).metadata == {str(n): n for n in range(6)}


async def test_an_earlier_version_can_run_again_and_the_next_change_gets_a_new_number(
    assistants: Assistants,
) -> None:
    made = await create(assistants, graph_id="echo", name="one")
    await assistants.update(made.assistant_id, name="two")

    back = await assistants.set_latest(made.assistant_id, 1)
    after = await assistants.update(made.assistant_id, name="three")

    assert (back.version, back.name, after.version) == (1, "one", 3)


async def test_a_version_that_never_was_cannot_be_restored(assistants: Assistants) -> None:
    with pytest.raises(NotFoundError, match="version"):
        await assistants.set_latest(ECHO, 7)


async def test_search_filters_sorts_and_pages(assistants: Assistants) -> None:
    for name in ("Ada", "Bob", "adam"):
        await create(assistants, graph_id="echo", name=name, metadata={"team": "x"})

    page = await assistants.search(
        name="AD", metadata={"team": "x"}, sort_by="name", sort_order="asc", limit=1
    )

    assert page.total == 2
    assert page.next_offset == 1
    assert page.items[0].name.lower().startswith("ada")


async def test_a_scope_hides_what_belongs_to_others(assistants: Assistants) -> None:
    made = await create(assistants, graph_id="echo", metadata={"owner": "ada"})

    with pytest.raises(NotFoundError):
        await assistants.get(made.assistant_id, scope={"owner": "bob"})
    with pytest.raises(NotFoundError):
        await assistants.update(made.assistant_id, name="x", scope={"owner": "bob"})

    assert await assistants.count(scope={"owner": "bob"}) == 0


async def test_a_graphs_own_assistant_cannot_be_deleted_but_others_can(
    assistants: Assistants,
) -> None:
    made = await create(assistants, graph_id="echo")

    async with assistants.database.transaction() as connection:
        await assistants.delete(connection, made.assistant_id)
        with pytest.raises(ConflictError, match=r"langgraph\.json"):
            await assistants.delete(connection, ECHO)

    with pytest.raises(NotFoundError):
        await assistants.get(made.assistant_id)


async def test_text_that_postgres_refuses_is_made_storable(assistants: Assistants) -> None:
    made = await create(assistants, graph_id="echo", metadata={"note": "a\0b"})

    assert made.metadata == {"note": "a\ufffdb"}


async def test_the_drawing_opens_subgraphs_on_request(assistants: Assistants) -> None:
    closed = await assistants.drawing("nested")
    opened = await assistants.drawing("nested", xray=True)

    assert {node["id"] for node in closed["nodes"]} >= {"__start__", "__end__", "child"}
    assert any(str(node["id"]).startswith("child:") for node in opened["nodes"])


async def test_schemas_name_the_fields_of_state_and_context(assistants: Assistants) -> None:
    schemas = await assistants.schemas("echo")

    assert schemas["graph_id"] == "echo"
    assert "text" in schemas["state_schema"]["properties"]
    assert "text" in schemas["input_schema"]["properties"]
    assert "suffix" in schemas["context_schema"]["properties"]


async def test_subgraphs_are_listed_by_namespace(assistants: Assistants) -> None:
    assert set(await assistants.subgraphs("nested")) == {"child"}
    assert set(await assistants.subgraphs("nested", namespace="child")) == {"child"}
    assert await assistants.subgraphs("echo") == {}
