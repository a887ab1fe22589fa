"""Requests to addresses that a business typed in: calendars to import, endpoints for webhooks.

Whoever names an address could name one that only we can reach: a service beside ours, a cloud's metadata. So a host
is resolved once, every address it has must be a public one, and the connection goes to those addresses and no
other; a second answer of the name server is never asked for. The certificate and the Host header stay those of the
name. There is no way through a proxy: it would resolve the name anew. Called by booking's calendar import and
notification's webhooks. Source: OWASP's SSRF prevention cheat sheet; the registry of special addresses is IANA's
(RFC 6890), as `ipaddress` holds it, with what that lacks.
"""

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from yarl import URL

from servicekit.errors import SlotwrightError

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_URL = 2000
_CHUNK = 64 * 1024
_BEGINNING_SECONDS = 2.0
_LOOKUPS = 64
_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_ALSO_SPECIAL = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("2002::/16"),
    IPv6Network("3fff::/20"),
    IPv4Network("168.63.129.16/32"),  # Azure's host, which answers its own machines here
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OUTSIDE_ASCII = re.compile(r"[^\x21-\x7e]")


class OutboundSettings(BaseSettings):
    """What may be called beyond https at public addresses."""

    model_config = SettingsConfigDict(env_prefix="SLOTWRIGHT_OUTBOUND_", extra="ignore", frozen=True)

    allow_http: bool = Field(
        default=False, description="Whether http:// addresses may be called too, for development."
    )
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), description="Networks that may be called although they are not public."
    )


class OutboundRefused(SlotwrightError):
    """The address is none that we call; the message is for whoever typed it. Trying again does not help."""


class OutboundFailed(SlotwrightError):
    """No answer, or one that cannot be taken; the message is for whoever typed the address."""


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """What came back. Names of `headers` may be in any case; `body` is as it was sent: nothing is decoded."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_public(address: Address) -> bool:
    """Whether anybody on the Internet may have this address; what an IPv6 address carries of IPv4 is looked at."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _UNICAST:
            return False
    special = (
        address.is_multicast or address.is_reserved or any(address in network for network in _ALSO_SPECIAL)
    )
    return address.is_global and not special


class SystemResolver:
    """The addresses that the system's resolver gives, asked in threads of its own.

    A name whose servers do not answer occupies a thread for as long as the system waits, which is longer than any
    caller does. The event loop has two threads for that, which mails, databases and keys need, too: ten such names
    would keep all others waiting for a minute, and for ever where they are asked for again and again. Here they
    occupy at most `at_once` threads, which only other look-ups of this kind wait for.
    """

    def __init__(self, at_once: int = _LOOKUPS) -> None:
        self._room = asyncio.Semaphore(at_once)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Raises OSError, and ValueError for what is no name."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def ended(found: list[str], error: Exception | None) -> None:
            self._room.release()
            if answer.done():
                return  # nobody waits any more
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def look_up() -> None:
            found, error = list[str](), None
            try:
                entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
            except Exception as caught:  # noqa: BLE001 - it is the caller's
                error = caught
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(ended, found, error)

        await self._room.acquire()
        try:
            threading.Thread(target=look_up, name="outbound-lookup", daemon=True).start()
        except RuntimeError as error:  # there can be no more threads
            self._room.release()
            raise OSError(str(error)) from None
        return await answer


class OutboundClient:
    """Sends requests out. Each has a connection of its own, so that none outlives what was checked."""

    def __init__(
        self,
        settings: OutboundSettings,
        *,
        user_agent: str,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._user_agent = user_agent
        self._resolve = resolve or SystemResolver()
        self._tls = tls or ssl.create_default_context()

    def check(self, text: str) -> URL:
        """The URL, when its form is one that we call; its host is not resolved yet. Raises OutboundRefused."""
        if len(text) > MAX_URL or _OUTSIDE_ASCII.search(text):
            raise OutboundRefused(f"must be a URL of visible ASCII, {MAX_URL} characters at most")
        try:
            url = URL(text)
            host, port = url.raw_host, url.port
        except ValueError:
            raise OutboundRefused("must be a URL") from None
        if url.scheme != "https" and not (url.scheme == "http" and self._settings.allow_http):
            raise OutboundRefused("must begin with https://")
        if not host or not port:
            raise OutboundRefused("must name a host")
        if url.user is not None or url.password is not None:
            raise OutboundRefused("must not hold a user name or a password")
        literal = _literal(host)
        if literal is not None:
            self._require_allowed(literal)
        return url.with_fragment(None)

    async def check_host(self, text: str, *, seconds: float = 5) -> None:
        """As `check`, with the host resolved: refuses early what a request would refuse. Raises as `request`."""
        url = self.check(text)
        try:
            async with asyncio.timeout(seconds):
                await self._addresses(url)
        except TimeoutError:
            raise OutboundFailed("has a name that leads to no address") from None

    async def request(
        self,
        method: str,
        text: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float = 10,
        max_bytes: int,
        cut: bool = False,
        redirects: int = 0,
    ) -> OutboundAnswer:
        """Sends one request and reads the answer, all within `seconds`.

        An answer of more than `max_bytes` is refused. With `cut`, for a body that only a person looks at, it is cut
        there instead, and where it breaks off or takes longer than 2 s; any encoding will do. As many redirects are
        followed as `redirects` says, each checked like the first address; one more is answered as it is. Raises
        OutboundRefused, OutboundFailed.
        """
        url = self.check(text)
        try:
            async with asyncio.timeout(seconds):
                for left in range(redirects, -1, -1):
                    answer = await self._once(method, url, headers or {}, body, max_bytes, cut=cut)
                    target = answer.headers.get("Location")
                    if answer.status not in _REDIRECTS or target is None or not left:
                        break
                    url = self._joined(url, target)
        except TimeoutError:
            raise OutboundFailed(f"did not answer within {seconds:g} s") from None
        return answer

    def _joined(self, url: URL, target: str) -> URL:
        try:
            return self.check(str(url.join(URL(target))))
        except ValueError:
            raise OutboundFailed("redirects to what is no URL") from None
        except OutboundRefused as error:
            raise OutboundRefused(f"redirects to an address that {error}") from None

    async def _once(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        max_bytes: int,
        *,
        cut: bool,
    ) -> OutboundAnswer:
        connector = aiohttp.TCPConnector(
            resolver=_Pinned(await self._addresses(url)), use_dns_cache=False, force_close=True, ssl=self._tls
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # what is small here may be large once it is decompressed
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            skip_auto_headers=("Content-Type",),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )
        try:
            async with (
                session,
                session.request(method, url, headers=headers, data=body, allow_redirects=False) as response,
            ):
                if cut:
                    content = await _beginning(response.content, max_bytes)
                elif response.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise OutboundFailed("answers in an encoding that was not asked for")
                else:
                    content = await _whole(response.content, max_bytes)
                return OutboundAnswer(response.status, response.headers, content)
        except aiohttp.ClientConnectorCertificateError:
            raise OutboundFailed("has no certificate that is valid for its name") from None
        except aiohttp.ClientSSLError:
            raise OutboundFailed("cannot be spoken to by TLS") from None
        except (aiohttp.ClientConnectionError, OSError):
            raise OutboundFailed("cannot be reached") from None
        except (aiohttp.ClientError, ValueError):
            raise OutboundFailed("does not answer as HTTP asks for") from None

    async def _addresses(self, url: URL) -> list[tuple[str, Address]]:
        """The host's addresses, all of them allowed. Raises OutboundRefused, OutboundFailed."""
        # Not url.host, which is decoded: encoded again, by other rules, it may be another name.
        host = url.raw_host or ""
        try:
            found = [ip_address(item) for item in await self._resolve(host, url.port or 0)]
        except (OSError, ValueError):
            raise OutboundFailed("has a name that leads to no address") from None
        if not found:
            raise OutboundFailed("has a name that leads to no address")
        for address in found:
            self._require_allowed(address)
        return [(host, address) for address in found]

    def _require_allowed(self, address: Address) -> None:
        if is_public(address) or any(address in network for network in self._settings.allowed_networks):
            return
        raise OutboundRefused("must lead to a public address")


class _Pinned(AbstractResolver):
    """A resolver that answers the addresses which were checked, whatever the name leads to by now."""

    def __init__(self, addresses: Sequence[tuple[str, Address]]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=name,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for name, address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _literal(host: str) -> Address | None:
    """The address when the host is one, None for a name.

    Raises OutboundRefused for what the client would take for an address, and not resolve.
    """
    try:
        return ip_address(host)
    except ValueError:
        if ":" in host or host.replace(".", "").isdigit():
            raise OutboundRefused("must name a host, or an address in its usual form") from None
        return None


async def _whole(stream: aiohttp.StreamReader, max_bytes: int) -> bytes:
    content = bytearray()
    async for chunk in stream.iter_chunked(_CHUNK):
        content += chunk
        if len(content) > max_bytes:
            raise OutboundFailed(f"answers with more than {max_bytes // 1024} KiB")
    return bytes(content)


async def _beginning(stream: aiohttp.StreamReader, max_bytes: int) -> bytes:
    """What comes within 2 s. Errors are passed over: the status has come, and no body changes it."""
    content = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError, ValueError):
        async with asyncio.timeout(_BEGINNING_SECONDS):
            async for chunk in stream.iter_chunked(max_bytes):
                content += chunk
                if len(content) >= max_bytes:
                    break
    return bytes(content[:max_bytes])
