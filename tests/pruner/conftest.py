"""Fixtures of the pruner's proof: a world with LangGraph's tables, and the zoo, driven once."""

from collections.abc import Callable, Iterator

import pytest

from tests.pruner.oracle import DURABILITIES, World, open_world
from tests.pruner.zoo import SHAPES, TRACE
from tests.pruner.zookeeper import Zoo


@pytest.fixture(scope="module")
def zoo(create_database: Callable[..., str], langgraph_template: str) -> Iterator[Zoo]:
    """Drive every shape of the zoo with every durability, each on a thread of its own."""
    for world in open_world(create_database(langgraph_template)):
        threads = {
            (shape.name, durability): world.build(shape, durability)
            for shape in SHAPES.values()
            for durability in DURABILITIES
        }
        yield Zoo(world, threads, {})


@pytest.fixture
def world(checkpoint_database: str) -> Iterator[World]:
    """Open a database with LangGraph's tables and nothing in them."""
    TRACE.clear()
    yield from open_world(checkpoint_database)
