"""Opens the services that the settings name, and closes them in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache

import httpx

from nodes.services import (
    Brain,
    DocumentStore,
    Effects,
    Erp,
    Ledger,
    Notifier,
    Orders,
    Suppliers,
)
from nodes.services.brain import FallbackBrain
from nodes.services.brain_openai import OpenAiBrain
from nodes.services.brain_rules import RuleBrain
from nodes.services.database import Database
from nodes.services.document_store import PostgresDocumentStore
from nodes.services.documents import DocumentReader, StandardDocumentReader
from nodes.services.effects import PostgresEffects
from nodes.services.erp_http import HttpErp
from nodes.services.erp_register import RegisterErp
from nodes.services.ledger import PostgresLedger
from nodes.services.notifier import PostgresNotifier
from nodes.services.orders import PostgresOrders
from nodes.services.settings import ProcessSettings
from nodes.services.standins import (
    MemoryDocumentStore,
    MemoryEffects,
    MemoryErp,
    MemoryLedger,
    MemoryNotifier,
    MemoryOrders,
    MemorySuppliers,
)
from nodes.services.suppliers import PostgresSuppliers


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that the nodes of a purchase order touch."""

    reader: DocumentReader
    documents: DocumentStore
    orders: Orders
    suppliers: Suppliers
    brain: Brain
    ledger: Ledger
    erp: Erp
    effects: Effects
    notifier: Notifier


@asynccontextmanager
async def open_services(settings: ProcessSettings) -> AsyncIterator[Services]:
    """Yield the services; nothing is connected to before it is used."""
    async with AsyncExitStack() as stack:
        erp: Erp | None = None
        if settings.erp == "http":
            client = httpx.AsyncClient(
                base_url=_with_slash(settings.erp_url),
                timeout=settings.erp_timeout_seconds,
                headers=_authorization(settings),
            )
            erp = HttpErp(await stack.enter_async_context(client))
        brain = await stack.enter_async_context(open_brain(settings))
        if settings.database_url is None:
            yield standin_services(erp, brain)
            return
        database = Database(settings.database_url)
        stack.push_async_callback(database.close)
        yield Services(
            reader=StandardDocumentReader(),
            documents=PostgresDocumentStore(database),
            orders=PostgresOrders(database),
            suppliers=PostgresSuppliers(database),
            brain=brain,
            ledger=PostgresLedger(database),
            erp=erp or RegisterErp(database),
            effects=PostgresEffects(database),
            notifier=PostgresNotifier(database),
        )


@asynccontextmanager
async def open_brain(settings: ProcessSettings) -> AsyncIterator[Brain]:
    """Yield the Brain that the settings name; a model has the rules to stand in for it."""
    rules = RuleBrain(default_department=settings.default_department)
    if not settings.uses_model:
        yield rules
        return
    model = OpenAiBrain(settings)
    try:
        yield FallbackBrain(model, rules)
    finally:
        await model.close()


def standin_services(erp: Erp | None, brain: Brain) -> Services:
    """Return services that remember until the process ends."""
    memory = _memory()
    return Services(
        reader=memory.reader,
        documents=memory.documents,
        orders=memory.orders,
        suppliers=memory.suppliers,
        brain=brain,
        ledger=memory.ledger,
        erp=erp or memory.erp,
        effects=memory.effects,
        notifier=memory.notifier,
    )


@cache
def _memory() -> Services:
    # A graph is made anew for each run, and a run that resumes must find what the first one held.
    return Services(
        reader=StandardDocumentReader(),
        documents=MemoryDocumentStore(),
        orders=MemoryOrders(),
        suppliers=MemorySuppliers(),
        brain=RuleBrain(),
        ledger=MemoryLedger(),
        erp=MemoryErp(),
        effects=MemoryEffects(),
        notifier=MemoryNotifier(),
    )


def _with_slash(url: str | None) -> str:
    # Paths are joined to it: without the slash its last part would be replaced.
    return f"{(url or '').rstrip('/')}/"


def _authorization(settings: ProcessSettings) -> dict[str, str]:
    if settings.erp_token is None:
        return {}
    return {"Authorization": f"Bearer {settings.erp_token.get_secret_value()}"}
