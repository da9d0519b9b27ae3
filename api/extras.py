"""MCP and A2A, where their libraries are installed (`holdfast[mcp]`, `holdfast[a2a]`)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec

from fastapi import APIRouter, FastAPI

from engine.project import Http
from engine.runtime import Engine


def extra_routers(http: Http) -> Sequence[APIRouter]:
    """Return the routers of the extras that are installed and not switched off."""
    routers: list[APIRouter] = []
    if _serves_mcp(http):
        routers.append(import_module("api.mcp").router)
    if find_spec("a2a") is not None and not http.disable_a2a:
        routers.append(import_module("api.a2a").router)
    return routers


@asynccontextmanager
async def opened_extras(app: FastAPI, engine: Engine, http: Http) -> AsyncIterator[None]:
    """Keep what the extras need open for the application's life."""
    if not _serves_mcp(http):
        yield
        return
    async with import_module("api.mcp").open_mcp(engine) as manager:
        app.state.mcp = manager
        yield


def _serves_mcp(http: Http) -> bool:
    return find_spec("mcp") is not None and not http.disable_mcp
