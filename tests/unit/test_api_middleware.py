import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from api.middleware import SameOrigin, SecurityHeaders


async def _answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("done")


@pytest.fixture
async def client() -> httpx.AsyncClient:
    routes = [Route("/", _answer, methods=["GET", "POST"])]
    app = SecurityHeaders(SameOrigin(Starlette(routes=routes), allowed_origins=["https://known"]))
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:2024")


async def test_a_page_of_a_foreign_site_cannot_post(client: httpx.AsyncClient) -> None:
    response = await client.post("/", headers={"Origin": "https://evil.example"})

    assert response.status_code == 403
    assert "HOLDFAST_CORS_ORIGINS" in response.json()["detail"]


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://127.0.0.1:2024"}, {"Origin": "https://known"}]
)
async def test_programs_the_console_and_known_origins_may_post(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await client.post("/", headers=headers)

    assert response.status_code == 200


async def test_every_answer_forbids_framing_and_sniffing(client: httpx.AsyncClient) -> None:
    response = await client.get("/")

    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
