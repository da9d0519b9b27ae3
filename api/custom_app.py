"""The project's own web application (`http.app`), served where the server itself has no route."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from api.auth import Guard, GuardedApp
from engine.project import Http
from engine.runtime import Engine

log = logging.getLogger(__name__)


@asynccontextmanager
async def mounted_custom_app(app: FastAPI, engine: Engine, guard: Guard) -> AsyncIterator[None]:
    """Mount the application behind all other routes, with its lifespan; nothing without one."""
    custom = engine.registry.app
    for reason in unserved(engine.project.http, custom):
        log.warning(reason)
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


def unserved(http: Http, custom: Any) -> Iterator[str]:
    """Yield what a project says of HTTP that is not done here, each with its key."""
    if http.logging_headers is not None:
        yield "http.logging_headers: no log line has a request's headers"
    if isinstance(custom, Starlette) and custom.user_middleware:
        yield "http.app: its middleware wraps its own routes, not those of the server"
    if http.middleware_order == "middleware_first" and http.enable_custom_route_auth:
        yield "http.middleware_order: the authentication of http.app's routes comes first"
