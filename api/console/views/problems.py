"""Refusals as pages, and as words of a page that is open."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from api.console.render import page
from api.problems import answer
from engine.errors import EngineError

# What a refusal of this kind is called, above its own words.
TITLES: Mapping[int, str] = {
    401: "Sign in first",
    403: "Not yours",
    404: "Not here",
    409: "Not possible now",
    410: "Over",
    422: "Not as it is",
    429: "Too much at once",
    503: "Not at the moment",
}


class ConsoleRoute(APIRoute):
    """A route whose refusals a browser reads as a page, and a program as everywhere."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with its refusals caught."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except (EngineError, HTTPException) as error:
                live = request.headers.get("HX-Request") == "true"
                if not live and "text/html" not in request.headers.get("accept", ""):
                    raise
                screen = request.url.path.removeprefix("/console/").partition("/")[0]
                if isinstance(error, HTTPException):
                    return _page(request, screen, str(error.detail), error.status_code)
                return refused(request, screen, error)

        return handled


def status_of(error: EngineError) -> int:
    """Return the HTTP status of a refusal."""
    return answer(error).status_code


def refused(request: Request, screen: str, error: EngineError) -> Response:
    """Show a refusal as a page of its own."""
    return _page(request, screen, str(error), status_of(error))


def _page(request: Request, screen: str, trouble: str, status: int) -> Response:
    live = request.headers.get("HX-Request") == "true"
    return page(
        request,
        "refused_live.html" if live else "refused.html",
        screen=screen,
        status=status,
        signed_out=status == 401,
        title=TITLES.get(status, "Not possible"),
        trouble=trouble,
    )
