"""The power goes at every call to the outside, before it worked and after: all happens once."""

from collections.abc import AsyncIterator, Callable

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from nodes.services.opening import Services
from nodes.services.standins import MemoryNotifier
from state.purchase_order import PurchaseOrder
from tests.desk import Desk, Fuse, MoodyErp, PowerCut, mail, standin_services

FAULTY = ("refuses", "silent", "lost")


async def run(services: Services, saver: InMemorySaver, fuse: Fuse) -> PurchaseOrder:
    """Run an order to its end, starting again after the cut; say yes to whatever is asked."""
    desk = Desk(services=fuse.protect(services), saver=saver)
    try:
        end = await desk.submit(mail())
        if await desk.question():
            end = await desk.approve()
    except PowerCut:
        desk = Desk(services=services, saver=saver)
        question = await desk.question()
        end = await (desk.approve() if question else desk.go_on())
        if await desk.question():
            end = await desk.approve()
    return end


async def every_cut(
    make_services: Callable[[], Services],
) -> AsyncIterator[tuple[str, Services, PurchaseOrder]]:
    """Yield where the power went, and what was there in the end."""
    whole = Fuse()
    await run(make_services(), InMemorySaver(), whole)
    for number, name in enumerate(whole.calls):
        for after in (False, True):
            services = make_services()
            end = await run(services, InMemorySaver(), Fuse(number, after=after))
            yield f"{'after' if after else 'before'} {name} ({number})", services, end


async def test_an_order_is_entered_paid_and_told_once_wherever_the_power_goes() -> None:
    async for where, services, end in every_cut(lambda: standin_services(erp=MoodyErp())):
        budgets = await services.ledger.budgets("EUR")
        spent = sum(budget["committed"] for budget in budgets)
        held = sum(budget["reserved"] for budget in budgets)
        assert isinstance(services.notifier, MemoryNotifier)

        assert end["stage"] == "COMMITTED", where
        assert services.erp.entered == 1, where
        assert (spent, held) == (125_00, 0), where
        assert len(services.notifier.notices) == 1, where


@pytest.mark.parametrize("mood", FAULTY)
async def test_money_and_erp_agree_whatever_the_erp_does_and_wherever_the_power_goes(
    mood: str,
) -> None:
    async for where, services, end in every_cut(lambda: standin_services(erp=MoodyErp(mood))):
        budgets = await services.ledger.budgets("EUR")
        spent = sum(budget["committed"] for budget in budgets)
        held = sum(budget["reserved"] for budget in budgets)
        entered = await services.erp.find("PO-1001")

        assert end["stage"] in ("COMMITTED", "FAILED"), where
        assert (end["stage"] == "COMMITTED") == (entered is not None), where
        assert spent == (125_00 if entered else 0), where
        assert held == 0, where
        assert services.erp.entered <= 1, where


async def test_a_cut_in_the_way_back_gives_the_money_back_once() -> None:
    moods = ("silent", "silent", "silent")
    async for where, services, end in every_cut(lambda: standin_services(erp=MoodyErp(*moods))):
        budgets = await services.ledger.budgets("EUR")

        assert await services.ledger.check() == [], where
        assert sum(budget["reserved"] for budget in budgets) == 0, where
        assert end["stage"] in ("COMMITTED", "FAILED"), where
