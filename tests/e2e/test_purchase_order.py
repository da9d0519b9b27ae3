"""The main job on a server of its own, an ERP beside it, and the power going in the middle."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.desk import SUPPLIER, mail
from tests.erp_service.app import Books, Switch, create_app
from tests.serving import served

DEADLINE_SECONDS = 60.0
GRAPH = "purchase_order"


class House:
    """A server, its ERP's books, and a client."""

    def __init__(self, server: Any, books: Books, client: LangGraphClient) -> None:
        self.server = server
        self.books = books
        self.client = client

    async def submit(self, document: Any) -> str:
        """Start a document on its way; return the thread's id."""
        thread = await self.client.threads.create(graph_id=GRAPH)
        await self.client.runs.create(thread["thread_id"], GRAPH, input={"document": document})
        return thread["thread_id"]

    async def until(self, thread_id: str, reached: Callable[[Any], bool]) -> Any:
        """Return the thread once it is where it should be."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            thread = await self.client.threads.get(thread_id)
            if reached(thread):
                return thread
            await asyncio.sleep(0.05)
        pytest.fail(f"it did not come about: {thread}")

    async def asked(self, thread_id: str) -> str:
        """Return the id of the question, once it is put."""
        thread = await self.until(thread_id, lambda thread: bool(thread["interrupts"]))
        ((question,),) = thread["interrupts"].values()
        return question["id"]

    async def ended(self, thread_id: str) -> dict[str, Any]:
        """Return the values once the thread has ended."""
        thread = await self.until(thread_id, _is_over)
        return thread["values"]

    async def approve(self, thread_id: str) -> None:
        question = await self.asked(thread_id)
        await self.client.runs.create(
            thread_id, GRAPH, command={"resume": {question: {"decisions": [{"type": "approve"}]}}}
        )

    def restart(self) -> None:
        """Kill the process as it stands and start it again on the same database."""
        self.server.kill()
        self.server.start()


@pytest.fixture(scope="module")
def office(start_server: Callable[..., Any]) -> Iterator[tuple[Any, Books]]:
    """Return one server and the books of its ERP, for all tests of this file."""
    app = create_app()
    with served(app) as erp_url:
        server = start_server(
            HOLDFAST_ERP="http",
            HOLDFAST_ERP_URL=erp_url,
            HOLDFAST_ERP_TIMEOUT_SECONDS="2",
            HOLDFAST_BRAIN="rules",
        )
        yield server, app.state.books
        server.kill()


@pytest.fixture
async def house(office: tuple[Any, Books]) -> AsyncIterator[House]:
    server, books = office
    books.calls.clear()
    async with get_client(url=server.url, api_key=None) as client:
        yield House(server, books, client)


def unseen() -> str:
    """Return an invoice of a supplier and a number that nobody has seen."""
    mark = uuid.uuid4().int
    return mail(number=str(mark % 10**9)).replace(SUPPLIER, f"NO{mark % 10**9:09}MVA")


async def test_an_invoice_waits_for_a_person_and_ends_as_an_order(house: House) -> None:
    thread_id = await house.submit(unseen())

    await house.approve(thread_id)
    end = await house.ended(thread_id)

    assert end["stage"] == "COMMITTED"
    entered = house.books.orders[end["order"]["order_id"]]
    assert entered is not None
    assert entered["erp_order_id"] == end["order"]["erp_order_id"]


async def test_a_kill_while_it_waits_loses_neither_question_nor_answer(house: House) -> None:
    thread_id = await house.submit(unseen())
    await house.asked(thread_id)

    house.restart()
    await house.approve(thread_id)

    assert (await house.ended(thread_id))["stage"] == "COMMITTED"


@pytest.mark.parametrize("mode", ["slow", "commits-then-hangs"])
async def test_a_kill_while_the_erp_is_being_asked_orders_once(house: House, mode: Any) -> None:
    thread_id = await house.submit(unseen())
    await house.asked(thread_id)
    house.books.switch = Switch(mode=mode, seconds=1.5, times=1)
    await house.approve(thread_id)
    await _until(lambda: any(call.startswith("create") for call in house.books.calls))

    house.restart()
    end = await house.ended(thread_id)

    assert end["stage"] == "COMMITTED"
    numbers = [order["invoice_number"] for order in house.books.orders.values() if order]
    assert numbers.count(end["order"]["invoice_number"]) == 1


async def test_a_document_that_cannot_be_read_ends_with_the_field_named(house: House) -> None:
    thread_id = await house.submit(unseen().replace("Total: 125.00", "Total: 999.00"))

    end = await house.ended(thread_id)

    assert end["stage"] == "FAILED"
    assert end["error"]["code"] == "wrong_total"


async def test_the_same_invoice_from_ten_sides_at_once_is_ordered_once(house: House) -> None:
    invoice = unseen()
    threads = await asyncio.gather(*(house.submit(invoice) for _ in range(10)))
    reached = await asyncio.gather(
        *(
            house.until(
                thread, lambda t: t["interrupts"] or (t["status"] == "idle" and t["values"])
            )
            for thread in threads
        )
    )

    stages = sorted(thread["values"]["stage"] for thread in reached)

    assert stages == ["ALREADY_ORDERED"] * 9 + ["RESERVED"]


def _is_over(thread: Any) -> bool:
    return thread["status"] == "idle" and bool((thread["values"] or {}).get("stage"))


async def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
