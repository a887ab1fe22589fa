"""What every service's app does by itself: probes, problems, ids, the access log. The app runs in the test."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
import pytest
import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse

from servicekit.errors import Invalid
from servicekit.health import Health
from servicekit.http.app import create_app
from servicekit.http.routes import Router
from servicekit.http.tokens import Member, TokenVerifier
from servicekit.ids import new_id
from servicekit.logging import configure_logging
from servicekit.settings import Settings
from servicekit.testing.tokens import TokenMinter
from servicekit.tracing import configure_tracing
from support.logs import logs_kept_apart

TRACE = "0af7651916cd43dd8448eb211c80319c"
ROUTER = Router()


@ROUTER.get("/v1/orders/{order}")
async def order_of(order: str, member: Member) -> dict[str, str]:
    structlog.get_logger("orders").info("looked up", refresh_token="r3fresh", card={"api_key": "k3y"})
    return {"order": order, "business": str(member.tenant_id)}


@ROUTER.get("/v1/wrong")
async def wrong() -> None:
    raise Invalid.field("/when", "is past")


@ROUTER.get("/v1/broken")
async def broken() -> None:
    password = "hunter2"
    raise RuntimeError(f"no luck with {len(password)} letters")


@pytest.fixture
def minter() -> TokenMinter:
    return TokenMinter()


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    configure_tracing("shop", None)
    with logs_kept_apart():
        yield


@asynccontextmanager
async def client_of(minter: TokenMinter, health: Health) -> AsyncIterator[httpx.AsyncClient]:
    verifier = TokenVerifier(minter, issuer=minter.issuer, audience=minter.audience)
    app = create_app("shop", Settings(max_body_bytes=100), health, routers=[ROUTER], verifier=verifier)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        yield client


async def lines_of(
    capsys: pytest.CaptureFixture[str], minter: TokenMinter, health: Health, path: str, **headers: str
) -> tuple[httpx.Response, list[dict[str, object]]]:
    """The answer to a GET, and what was logged meanwhile."""
    configure_logging("shop", "info", "json")
    async with client_of(minter, health) as client:
        answer = await client.get(path, headers=headers)
    return answer, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_each_line_of_a_request_names_request_tenant_and_trace_and_no_secret(
    capsys: pytest.CaptureFixture[str], minter: TokenMinter, health: Health
) -> None:
    tenant = new_id()
    token = minter.token(tenant)
    answer, lines = await lines_of(
        capsys,
        minter,
        health,
        "/v1/orders/s3cret-link",
        Authorization=f"Bearer {token}",
        traceparent=f"00-{TRACE}-b7ad6b7169203331-01",
        **{"X-Request-ID": "abc-12345"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-request-id"] == "abc-12345"
    assert [line["event"] for line in lines] == ["looked up", "request"]
    for line in lines:
        assert line["service"] == "shop"
        assert line["request_id"] == "abc-12345"
        assert line["tenant_id"] == str(tenant)
        assert line["trace_id"] == TRACE
        assert line["level"] == "info"
    assert lines[1]["route"] == "/v1/orders/{order}"
    text = json.dumps(lines)
    for secret in (token, "s3cret-link", "r3fresh", "k3y"):
        assert secret not in text


async def test_a_request_after_another_tenants_does_not_name_it(
    capsys: pytest.CaptureFixture[str], minter: TokenMinter, health: Health
) -> None:
    bearer = {"Authorization": f"Bearer {minter.token(new_id())}"}
    await lines_of(capsys, minter, health, "/v1/orders/1", **bearer)
    _answer, lines = await lines_of(capsys, minter, health, "/v1/wrong")
    assert "tenant_id" not in lines[-1]
    UUID(str(lines[-1]["request_id"]))


async def test_what_nobody_expected_is_a_problem_and_a_line_with_its_traceback_without_variables(
    capsys: pytest.CaptureFixture[str], minter: TokenMinter, health: Health
) -> None:
    answer, lines = await lines_of(capsys, minter, health, "/v1/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "no luck" not in answer.text
    said = next(line for line in lines if line["event"] == "unexpected error")
    assert "no luck with 7 letters" in json.dumps(said["exception"])
    assert "hunter2" not in json.dumps(lines)


@pytest.mark.parametrize(
    ("page", "said"),
    [("<p>Sorry.", "<p>Sorry."), ("", "/problems/internal-error")],
)
async def test_an_app_may_answer_in_its_own_way_to_what_nobody_expected(
    health: Health, page: str, said: str
) -> None:
    """Inside of what adds the request's id; and where that fails as well, as a problem."""
    app = create_app("shop", Settings(), health, routers=[ROUTER])

    @app.exception_handler(Exception)
    async def sorry(request: Request, error: Exception) -> HTMLResponse:
        if not page:
            raise error
        return HTMLResponse(page, 500)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        answer = await client.get("/v1/broken", headers={"X-Request-ID": "abc-12345"})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "abc-12345"
    assert said in answer.text


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [("/v1/wrong", 422, "invalid"), ("/nowhere", 404, "not-found"), ("/v1/orders/1", 401, "unauthorized")],
)
async def test_every_error_is_a_problem(
    minter: TokenMinter, health: Health, path: str, status: int, slug: str
) -> None:
    async with client_of(minter, health) as client:
        answer = await client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"/problems/{slug}"
    assert answer.json()["instance"] == path


async def test_a_loop_that_does_not_turn_fails_liveness_and_the_log_says_why(
    capsys: pytest.CaptureFixture[str], minter: TokenMinter, health: Health
) -> None:
    beat = health.heartbeat("shop.relay", limit=0)
    answer, lines = await lines_of(capsys, minter, health, "/healthz")
    assert answer.status_code == 503
    assert answer.json() == {"faults": ["shop.relay has not turned for 0 s"]}
    assert lines[-1]["event"] == "not alive"
    assert lines[-1]["faults"] == ["shop.relay has not turned for 0 s"]
    beat.limit = 60
    answer, lines = await lines_of(capsys, minter, health, "/healthz")
    assert (answer.status_code, lines) == (200, [])
    beat.end("KafkaException: gone")
    answer, _lines = await lines_of(capsys, minter, health, "/healthz")
    assert answer.json() == {"faults": ["shop.relay has ended: KafkaException: gone"]}


async def test_readiness_names_everything_that_is_missing(minter: TokenMinter, health: Health) -> None:
    missing: list[str | None] = ["no keys yet", "the database does not answer"]

    async def keys() -> str | None:
        return missing[0]

    async def database() -> str | None:
        return missing[1]

    health.require(keys)
    health.require(database)
    async with client_of(minter, health) as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"missing": ["no keys yet", "the database does not answer"]}
        missing[:] = [None, None]
        assert (await client.get("/readyz")).status_code == 200


async def test_metrics_count_by_route_and_never_by_path(minter: TokenMinter, health: Health) -> None:
    async with client_of(minter, health) as client:
        bearer = {"Authorization": f"Bearer {minter.token(new_id())}"}
        await client.get("/v1/orders/s3cret-link", headers=bearer)
        text = (await client.get("/metrics")).text
    assert 'slotwright_http_requests_total{method="GET",route="/v1/orders/{order}",status="200"}' in text
    assert "s3cret-link" not in text
