"""Requests to addresses that somebody typed in: what is refused, and that what was checked is what is called."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from devstack.processes import free_port
from servicekit.outbound import (
    OutboundClient,
    OutboundFailed,
    OutboundRefused,
    OutboundSettings,
    is_public,
)
from support.certificates import certificate

NAME = "calendar.example"
LOCAL = (ip_network("127.0.0.0/8"),)
MOST = 1000


def settings(*, http: bool = True, local: bool = True) -> OutboundSettings:
    return OutboundSettings(allow_http=http, allowed_networks=LOCAL if local else ())


@dataclass
class Names:
    """A name server whose answers are given one after another; the last one stays."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def client(
    names: Callable[[str, int], Awaitable[Sequence[str]]] | None = None,
    given: OutboundSettings | None = None,
    tls: ssl.SSLContext | None = None,
) -> OutboundClient:
    return OutboundClient(given or settings(), user_agent="Tests", resolve=names, tls=tls)


@dataclass
class Site:
    """A server here that keeps what it was asked."""

    port: int = 0
    seen: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    peers: list[int] = field(default_factory=list)

    def url(self, path: str, host: str = NAME) -> str:
        return f"http://{host}:{self.port}{path}"

    async def echo(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        self.bodies.append(await request.read())
        assert request.transport is not None
        self.peers.append(request.transport.get_extra_info("peername")[1])
        return web.Response(text="there", headers={"ETag": '"a"'})

    async def large(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        return web.Response(body=b"x" * int(request.query["bytes"]))

    async def redirect(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        return web.Response(status=302, headers={"Location": request.query["to"]})

    async def packed(self, _request: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    async def trickle(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.02)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    app = web.Application()
    for path, handler in (
        ("/echo", made.echo),
        ("/large", made.large),
        ("/redirect", made.redirect),
        ("/packed", made.packed),
        ("/trickle", made.trickle),
    ):
        app.router.add_route("*", path, handler)
    async with TestServer(app, host="127.0.0.1") as server:
        assert server.port is not None
        made.port = server.port
        yield made


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - not bound to
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.5",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_everybodys_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"],
)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("ftp://calendar.example/a", "https://"),
        ("file:///etc/passwd", "https://"),
        ("//calendar.example/a", "https://"),
        ("http://calendar.example/a", "https://"),
        ("https:///a", "host"),
        ("https://calendar.example:0/a", "host"),
        ("https://calendar.example:99999/a", "URL"),
        ("https://[::1/a", "URL"),
        ("https://me:secret@calendar.example/a", "password"),
        ("https://me@calendar.example/a", "password"),
        ("https://calendar.example/a b", "ASCII"),
        ("https://calendar.example/a\r\nX: y", "ASCII"),
        ("https://calendar.example/" + "a" * 2000, "2000"),
        ("https://127.0.0.1/a", "public"),
        ("https://[::1]/a", "public"),
        ("https://[::ffff:10.0.0.1]/a", "public"),
        ("https://[fe80::1%25eth0]/a", "public"),
        ("https://2130706433/a", "usual form"),
        ("https://127.1/a", "usual form"),
        ("https://0177.0.0.1/a", "usual form"),
    ],
)
async def test_a_url_that_is_none_to_call_is_refused_before_anything_is_sent(url: str, fault: str) -> None:
    names = Names([["1.1.1.1"]])
    refusing = client(names, settings(http=False, local=False))
    with pytest.raises(OutboundRefused, match=fault):
        refusing.check(url)
    with pytest.raises(OutboundRefused, match=fault):
        await refusing.request("GET", url, max_bytes=MOST)
    assert not names.asked


@pytest.mark.parametrize("host", ["localhost", "0x7f000001", "0x7f.1"])
async def test_a_name_that_leads_here_is_refused_however_it_is_written(site: Site, host: str) -> None:
    with pytest.raises(OutboundRefused, match="public"):
        await client(given=settings(local=False)).request("GET", site.url("/echo", host), max_bytes=MOST)
    assert not site.seen


@pytest.mark.parametrize(
    "answer",
    [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["10.0.0.1"], ["::1"], ["2606:4700::1111", "fd00:ec2::254"]],
)
async def test_one_forbidden_address_among_a_names_refuses_it(site: Site, answer: list[str]) -> None:
    names = Names([answer])
    with pytest.raises(OutboundRefused, match="public"):
        await client(names, settings(local=False)).request("GET", site.url("/echo"), max_bytes=MOST)
    assert not site.seen


async def test_the_name_is_asked_for_once_and_what_it_says_later_is_not_heard(site: Site) -> None:
    """A name server may answer a public address to the check and another one to the connection."""
    names = Names([["127.0.0.1"], ["127.0.0.99"]])
    answer = await client(names).request("GET", site.url("/echo"), max_bytes=MOST)
    assert (answer.status, answer.body) == (200, b"there")
    assert answer.headers["etag"] == '"a"'
    assert names.asked == [NAME]
    assert site.seen[0].headers["Host"] == f"{NAME}:{site.port}"
    # The next request asks anew, and nothing goes on through the connection of the first.
    with pytest.raises(OutboundFailed, match="reached"):
        await client(names).request("GET", site.url("/echo"), max_bytes=MOST)
    assert len(site.seen) == 1


async def test_no_connection_is_used_again(site: Site) -> None:
    calling = client(Names([["127.0.0.1"]]))
    for _ in range(2):
        await calling.request("GET", site.url("/echo"), max_bytes=MOST)
    assert site.peers[0] != site.peers[1]


async def test_method_headers_and_body_arrive_as_given(site: Site) -> None:
    sent = b'{"a": 1}'
    await client(Names([["127.0.0.1"]])).request(
        "POST",
        site.url("/echo"),
        headers={"Content-Type": "application/json", "Webhook-Id": "m"},
        body=sent,
        max_bytes=MOST,
    )
    (request,) = site.seen
    assert (request.method, site.bodies) == ("POST", [sent])
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Webhook-Id"] == "m"
    assert request.headers["User-Agent"] == "Tests"
    assert request.headers["Accept-Encoding"] == "identity"


async def test_no_proxy_of_the_environment_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    answer = await client(Names([["127.0.0.1"]])).request("GET", site.url("/echo"), max_bytes=MOST)
    assert answer.status == 200


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/", "http://10.0.0.1/", "http://[::1]/"])
async def test_a_redirect_to_a_forbidden_address_is_refused(site: Site, target: str) -> None:
    with pytest.raises(OutboundRefused, match="redirects to an address that must lead to a public"):
        await client(Names([["127.0.0.1"]])).request(
            "GET", site.url(f"/redirect?to={target}"), max_bytes=MOST, redirects=3
        )
    assert len(site.seen) == 1


async def test_a_name_is_asked_for_as_it_was_typed() -> None:
    """Decoded, this one is straße.de, which IDNA 2003, Python's, encodes as strasse.de: a stranger's."""
    names = Names([["127.0.0.1"]])
    await client(names).check_host("https://xn--strae-oqa.de/")
    assert names.asked == ["xn--strae-oqa.de"]


async def test_a_redirect_to_a_name_is_resolved_and_checked(site: Site) -> None:
    names = Names([["127.0.0.1"], ["192.168.0.1"]])
    there = site.url("/redirect?to=http://inside.example/")
    with pytest.raises(OutboundRefused, match="public"):
        await client(names).request("GET", there, max_bytes=MOST, redirects=3)
    assert names.asked == [NAME, "inside.example"]


@pytest.mark.parametrize("target", ["ftp://calendar.example/", "http://me:pw@calendar.example/"])
async def test_a_redirect_to_what_is_no_url_of_ours_is_refused(site: Site, target: str) -> None:
    with pytest.raises(OutboundRefused, match="redirects"):
        await client(Names([["127.0.0.1"]])).request(
            "GET", site.url(f"/redirect?to={target}"), max_bytes=MOST, redirects=1
        )


async def test_so_many_redirects_are_followed_as_are_allowed(site: Site) -> None:
    calling = client(Names([["127.0.0.1"]]))
    twice = site.url("/redirect?to=/redirect%3Fto%3D/echo")
    assert (await calling.request("GET", twice, max_bytes=MOST, redirects=2)).body == b"there"
    assert (await calling.request("GET", twice, max_bytes=MOST, redirects=1)).status == 302
    assert (await calling.request("GET", twice, max_bytes=MOST)).status == 302


async def test_an_answer_that_is_too_large_is_refused_or_cut(site: Site) -> None:
    calling = client(Names([["127.0.0.1"]]))
    whole = await calling.request("GET", site.url("/large?bytes=200000"), max_bytes=200_000)
    assert len(whole.body) == 200_000
    with pytest.raises(OutboundFailed, match="more than 195 KiB"):
        await calling.request("GET", site.url("/large?bytes=200001"), max_bytes=200_000)
    part = await calling.request("GET", site.url("/large?bytes=200001"), max_bytes=MOST, cut=True)
    assert part.body == b"x" * MOST


async def test_an_answer_that_never_ends_is_given_up(site: Site) -> None:
    with pytest.raises(OutboundFailed, match=r"within 0\.2 s"):
        await client(Names([["127.0.0.1"]])).request(
            "GET", site.url("/trickle"), seconds=0.2, max_bytes=1_000_000
        )


async def test_a_body_that_is_only_looked_at_takes_nothing_back_of_the_answer(site: Site) -> None:
    """Cut short, one that never ends and one that was packed are answers all the same."""
    calling = client(Names([["127.0.0.1"]]))
    part = await calling.request("GET", site.url("/trickle"), max_bytes=3, cut=True)
    assert (part.status, part.body) == (200, b"...")
    started = asyncio.get_running_loop().time()
    long = await calling.request("GET", site.url("/trickle"), max_bytes=10_000, cut=True)
    assert long.status == 200
    assert set(long.body) == set(b".")
    assert asyncio.get_running_loop().time() - started < 5
    packed = await calling.request("GET", site.url("/packed"), max_bytes=MOST, cut=True)
    assert (packed.status, packed.body) == (200, b"\x1f\x8b")


async def test_a_host_is_checked_without_a_request_to_it(site: Site) -> None:
    calling = client(Names([["127.0.0.1"], ["10.0.0.1"], []]))
    await calling.check_host(site.url("/echo"))
    with pytest.raises(OutboundRefused, match="public"):
        await calling.check_host(site.url("/echo"))
    with pytest.raises(OutboundFailed, match="no address"):
        await calling.check_host(site.url("/echo"))
    with pytest.raises(OutboundRefused, match="https"):
        await client(given=settings(http=False)).check_host(site.url("/echo"))
    assert site.seen == []


async def test_a_name_server_that_never_answers_is_given_up() -> None:
    async def silent(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(OutboundFailed, match="within"):
        await client(silent).request("GET", "https://calendar.example/", seconds=0.1, max_bytes=MOST)


async def test_what_was_packed_unasked_is_not_unpacked(site: Site) -> None:
    with pytest.raises(OutboundFailed, match="encoding"):
        await client(Names([["127.0.0.1"]])).request("GET", site.url("/packed"), max_bytes=MOST)


async def test_who_is_not_there_or_has_no_name_is_said_to_be(site: Site) -> None:
    with pytest.raises(OutboundFailed, match="reached"):
        await client(Names([["127.0.0.1"]])).request("GET", f"http://{NAME}:{free_port()}/", max_bytes=MOST)
    with pytest.raises(OutboundFailed, match="no address"):
        await client(Names([[]])).request("GET", site.url("/echo"), max_bytes=MOST)


async def test_by_tls_the_pinned_address_is_asked_for_the_name_and_must_prove_it(tmp_path: Path) -> None:
    serving, authority = certificate(tmp_path, NAME)
    trusting = ssl.create_default_context(cafile=authority)
    asked: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: asked.append(name)
    site = Site()

    async def down(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"http://{NAME}/"})

    app = web.Application()
    app.router.add_get("/echo", site.echo)
    app.router.add_get("/down", down)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=serving).start()
    try:
        strict = settings(http=False)
        names = Names([["127.0.0.1"]])
        answer = await client(names, strict, trusting).request(
            "GET", f"https://{NAME}:{port}/echo", max_bytes=MOST
        )
        assert (answer.status, asked) == (200, [NAME])
        assert site.seen[0].headers["Host"] == f"{NAME}:{port}"
        with pytest.raises(OutboundFailed, match="certificate"):
            await client(names, strict, trusting).request(
                "GET", f"https://other.example:{port}/echo", max_bytes=MOST
            )
        with pytest.raises(OutboundFailed, match="certificate"):
            await client(names, strict).request("GET", f"https://{NAME}:{port}/echo", max_bytes=MOST)
        with pytest.raises(OutboundRefused, match="redirects to an address that must begin with https"):
            await client(names, strict, trusting).request(
                "GET", f"https://{NAME}:{port}/down", max_bytes=MOST, redirects=1
            )
    finally:
        await runner.cleanup()
