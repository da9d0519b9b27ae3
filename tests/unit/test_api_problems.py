import httpx
from fastapi import FastAPI

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
