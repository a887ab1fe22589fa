"""web in this process, and in front of it an HTTP server that speaks the gateway's protocol from a script.

The script exists for what a real gateway does not do on demand: refuse with a chosen problem, rotate a refresh
token while two requests race, go away. Its answers are built from the services' own answer models, so that they
cannot drift from what the services say. The way through real services is tested in tests/integration/web.
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiohttp import web as aio
from jinja2.bccache import Bucket, BytecodeCache

from servicekit.health import Health
from servicekit.http.app import create_app
from web.app import build
from web.service import Web
from web.settings import WebSettings

KEY = "a cookie key of more than thirty-two characters"


@dataclass
class Call:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    """As JSON, or the bytes of what is none."""


Answer = tuple[int, Any] | Callable[[Call], tuple[int, Any]]


@dataclass
class Script:
    """What the gateway answers, by `METHOD /path`; what it was asked stands in `calls`.

    `headers` are those that an answer has beside. What is no JSON stands in `files`: each writes its answer
    itself, or breaks off.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    files: dict[str, Callable[[aio.Request], Awaitable[aio.StreamResponse]]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    url: str = ""

    def on(self, route: str, data: Any, status: int = 200) -> None:
        self.answers[route] = data if callable(data) else (status, data)

    def refuse(self, route: str, status: int, slug: str, detail: str, /, **errors: str) -> None:
        """A problem; `errors` maps pointers, with `__` for `/`, to details."""
        body = {
            "type": f"/problems/{slug}",
            "title": slug,
            "status": status,
            "detail": detail,
            "request_id": "r-1",
        }
        body["errors"] = [{"pointer": f"/{k.replace('__', '/')}", "detail": v} for k, v in errors.items()]
        self.answers[route] = (status, body)

    def asked(self, route: str) -> list[Call]:
        return [call for call in self.calls if f"{call.method} {call.path}" == route]

    async def handle(self, request: aio.Request) -> aio.StreamResponse:
        raw = await request.read()
        call = Call(
            request.method,
            request.path,
            dict(request.query),
            {name.lower(): value for name, value in request.headers.items()},
            _body(raw, request.content_type),
        )
        self.calls.append(call)
        if f"{call.method} {call.path}" in self.files:
            return await self.files[f"{call.method} {call.path}"](request)
        answer = self.answers.get(f"{call.method} {call.path}", (404, {"title": "There is no such thing"}))
        status, data = answer(call) if callable(answer) else answer
        kind = "application/problem+json" if status >= 400 else "application/json"
        versioned = isinstance(data, dict) and "version" in data
        return aio.Response(
            status=status,
            body=b"" if data is None else json.dumps(data).encode(),
            content_type=kind,
            headers=self.headers.get(f"{call.method} {call.path}", {})
            | ({"ETag": f'"v{data["version"]}"'} if versioned else {}),
        )


def _body(raw: bytes, kind: str) -> Any:
    if not raw:
        return None
    return json.loads(raw) if kind == "application/json" else raw


def hidden_fields(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the page's form with this action."""
    form = next(part for part in re.findall(r"<form.*?</form>", page, re.S) if f'action="{action}"' in part)
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))


class Browser(httpx.AsyncClient):
    """A client that keeps cookies and sends forms with the token that the page had."""

    async def submit(
        self, page: str, action: str, data: dict[str, Any] | None = None, *, files: Any = None
    ) -> httpx.Response:
        """Loads `page` and posts to `action` with the page's form token and hidden fields of that form."""
        response = await self.get(page)
        assert response.status_code < 400, response.text
        fields = hidden_fields(response.text, action) | (data or {})
        return await self.post(action, data=fields, files=files)


class _Compiled(BytecodeCache):
    """Templates compiled once for all tests of a process: it is most of what a site costs, and each makes one."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self._code.get(bucket.key):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


def site(script_url: str, *, public_url: str = "http://slotwright.test") -> tuple[Any, Web]:
    settings = WebSettings(gateway_url=script_url, cookie_key=KEY, public_url=public_url, gateway_timeout=3)
    parts = build(settings)
    assert isinstance(parts.service, Web)
    parts.service.pages._templates.bytecode_cache = _COMPILED
    app = create_app("web", settings, Health(), routers=parts.routers, service=parts.service)
    assert parts.customize is not None
    parts.customize(app)
    return app, parts.service
