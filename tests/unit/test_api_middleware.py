import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from api.middleware import KnownHosts, SameOrigin, SecurityHeaders


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


async def test_data_is_kept_by_no_browser_and_no_proxy() -> None:
    async def data(request: Request) -> JSONResponse:
        return JSONResponse({})

    app = SecurityHeaders(Starlette(routes=[Route("/", data), Route("/page", _answer)]))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answers = [await client.get(path) for path in ("/", "/page")]

    assert [answer.headers.get("Cache-Control") for answer in answers] == ["no-store", None]


async def _ask_by(host: str, *allowed: str) -> httpx.Response:
    app = KnownHosts(Starlette(routes=[Route("/", _answer)]), allowed=allowed)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get("/", headers={"Host": host})


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:2024", "127.0.0.1.evil.example", "localhost.evil.example", "[x"],
)
async def test_a_name_that_was_made_to_lead_here_is_refused(host: str) -> None:
    response = await _ask_by(host)

    assert response.status_code == 403
    assert "HOLDFAST_ALLOWED_HOSTS" in response.json()["detail"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:2024", "[::1]:2024", "192.168.1.7", "localhost:2024", "app.localhost", "holdfast"],
)
async def test_what_can_be_nobody_elses_name_passes(host: str) -> None:
    response = await _ask_by(host)

    assert response.status_code == 200


async def test_a_server_is_known_by_the_names_it_was_given() -> None:
    answers = {
        host: (await _ask_by(host, "Agents.example.com", "*.internal")).status_code
        for host in ("agents.example.com", "a.b.internal", "internal.example.com", "example.com")
    }

    assert list(answers.values()) == [200, 200, 403, 403]
    assert (await _ask_by("anything.example", "*")).status_code == 200


async def test_origins_of_a_pattern_may_post() -> None:
    app = SameOrigin(
        Starlette(routes=[Route("/", _answer, methods=["POST"])]),
        allowed_origins=[],
        allowed_pattern=r"https://.*\.known",
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        known = await client.post("/", headers={"Origin": "https://a.known"})
        longer = await client.post("/", headers={"Origin": "https://a.known.evil.example"})

    assert (known.status_code, longer.status_code) == (200, 403)
