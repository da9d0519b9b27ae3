"""The project's own web application (`http.app`), served where the server itself has no route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from api.auth import Guard, GuardedApp
from engine.runtime import Engine


@asynccontextmanager
async def mounted_custom_app(app: FastAPI, engine: Engine, guard: Guard) -> AsyncIterator[None]:
    """Mount the application behind all other routes, with its lifespan; nothing without one."""
    custom = engine.registry.app
    if custom is None:
        yield
        return
    guarded = engine.project.http.enable_custom_route_auth
    mount = Mount("", app=GuardedApp(custom, guard) if guarded else custom, name="custom")
    app.router.routes.append(mount)
    try:
        if isinstance(custom, Starlette):
            # A mounted application is never told that the server starts and stops.
            async with custom.router.lifespan_context(custom):
                yield
        else:
            yield
    finally:
        app.router.routes.remove(mount)
