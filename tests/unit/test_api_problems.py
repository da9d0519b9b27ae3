import httpx
import pytest
from fastapi import APIRouter, FastAPI

from api import problems
from checkpoint_pruner import CheckpointPrunedError


async def test_what_the_guard_refused_is_a_conflict_that_names_the_checkpoint() -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/late")
    async def late() -> None:
        raise CheckpointPrunedError("t", "", "c")

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        answer = await client.get("/late")

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:holdfast:problem:checkpoint-pruned"
    assert answer.json()["checkpoint_id"] == "c"


def shelf() -> FastAPI:
    app = FastAPI()
    problems.install(app)
    router = APIRouter()

    @router.post("/books/search")
    async def search() -> None: ...

    @router.get("/books/{number}")
    async def read(number: int) -> None: ...

    @router.delete("/books/{number}")
    async def remove(number: int) -> None: ...

    app.include_router(router)
    return app


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("PUT", "/books/1", 405, "DELETE, GET"),
        ("OPTIONS", "/books/search", 405, "POST"),
        ("GET", "/books/search", 405, "POST"),
        ("GET", "/books/one", 422, None),
        ("GET", "/papers", 404, None),
    ],
)
async def test_a_method_that_a_path_lacks_is_told_from_a_path_that_does_not_fit(
    method: str, path: str, status: int, allowed: str | None
) -> None:
    transport = httpx.ASGITransport(shelf())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.request(method, path)

    assert (answer.status_code, answer.headers.get("allow")) == (status, allowed)
