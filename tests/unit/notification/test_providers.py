"""The HTTP provider of text messages, against a server that answers as it is told; addresses; settings."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import default
from email.utils import getaddresses
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr, ValidationError

from devstack.processes import free_port
from notification.drafts import Draft
from notification.letters import Letter
from notification.providers import HttpSmsProvider, Refused, SmtpProvider, TryLater
from notification.settings import NotificationSettings
from servicekit.ids import new_id
from servicekit.mail import Mailer, SmtpSettings
from support.bad_servers import HTTP_IN_DOUBT, BadHttpServer, BadSmtpServer, HttpFault

LETTER = Letter("", "See you tomorrow", None)
NUMBER = "+351912345678"


@dataclass
class Carrier:
    """Takes text messages; `status` is what it answers."""

    status: int = 202
    taken: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        self.taken.append((dict(request.headers), await request.json()))
        headers = {"Location": "/elsewhere"} if 300 <= self.status < 400 else {}
        return web.Response(status=self.status, headers=headers)


@pytest.fixture
async def carrier() -> AsyncIterator[Carrier]:
    made = Carrier()
    app = web.Application()
    app.router.add_post("/messages", made.take)
    async with TestServer(app) as server:
        made.url = str(server.make_url("/messages"))
        yield made


async def send(url: str, *, to: str = NUMBER) -> str:
    message_id = new_id()
    provider = HttpSmsProvider(url, SecretStr("s3cret"), timeout=5)
    await provider.send(new_id(), message_id, Draft(to, LETTER, "River\nside", None))
    return str(message_id)


async def test_the_message_goes_out_with_the_token_and_a_key_that_tells_a_repeat(carrier: Carrier) -> None:
    message_id = await send(carrier.url)
    ((headers, body),) = carrier.taken
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["Idempotency-Key"] == message_id
    assert body == {
        "to": NUMBER,
        "text": "See you tomorrow",
        "sender": "River side",
        "message_id": message_id,
    }


@pytest.mark.parametrize("status", [204, 202])
async def test_an_empty_yes_is_enough(carrier: Carrier, status: int) -> None:
    carrier.status = status
    await send(carrier.url)
    assert len(carrier.taken) == 1


@pytest.mark.parametrize("status", [307, 401, 403, 404, 408, 409, 425, 429, 500, 503])
async def test_what_time_may_mend_is_tried_later(carrier: Carrier, status: int) -> None:
    carrier.status = status
    with pytest.raises(TryLater) as later:
        await send(carrier.url)
    assert later.value.in_doubt is (status == 500)


@pytest.mark.parametrize("status", [400, 410, 413, 422])
async def test_what_it_will_never_take_is_refused(carrier: Carrier, status: int) -> None:
    carrier.status = status
    with pytest.raises(Refused) as refused:
        await send(carrier.url)
    assert refused.value.reason == "Rejected"
    assert len(carrier.taken) == 1


@pytest.mark.parametrize("fault", list(HttpFault))
async def test_a_carrier_that_says_nothing_of_use_is_asked_again_with_the_same_key(fault: HttpFault) -> None:
    server = BadHttpServer(faults=deque([fault]))
    try:
        provider = HttpSmsProvider(server.url, SecretStr("s3cret"), timeout=0.5)
        message_id = new_id()

        async def attempt() -> None:
            await provider.send(new_id(), message_id, Draft(NUMBER, LETTER, "Riverside", None))

        with pytest.raises(TryLater) as later:
            await attempt()
        assert NUMBER not in str(later.value)
        assert later.value.in_doubt is (fault in HTTP_IN_DOUBT)
        assert server.taken == []
        await attempt()
        assert set(server.keys) == {str(message_id)}
        assert len(server.taken) == 1
    finally:
        server.close()


async def test_a_carrier_that_is_not_there_is_tried_later() -> None:
    with pytest.raises(TryLater) as later:
        await send(f"http://127.0.0.1:{free_port()}/messages")
    assert not later.value.in_doubt
    assert NUMBER not in str(later.value)


@pytest.mark.parametrize("number", ["912345678", "+1", "x", "+351912345678901234"])
async def test_what_is_no_number_is_not_dialled(carrier: Carrier, number: str) -> None:
    with pytest.raises(Refused) as refused:
        await send(carrier.url, to=number)
    assert refused.value.reason == "BadAddress"
    assert number not in str(refused.value)
    assert not carrier.taken


@pytest.mark.parametrize(
    "address",
    [
        *("a@b.example, c@d.example", "a@b.example\nBcc: c@d.example", "x", ""),
        *("a:c@d.example", "=?utf-8?q?c?=@d.example", f"a@{'é' * 62}.example"),
    ],
)
async def test_what_is_not_one_address_is_refused_before_the_server_is_asked(address: str) -> None:
    smtp = SmtpSettings(smtp_port=free_port())
    provider = SmtpProvider(Mailer(smtp), "no-reply@riverside.example")
    letter = Letter("Hello", "text", None)
    with pytest.raises(Refused) as refused:
        await provider.send(new_id(), new_id(), Draft(address, letter, "Riverside", None))
    assert refused.value.reason == "BadAddress"


@pytest.mark.parametrize(
    "name",
    [
        "Riverside Barbers",
        'Dr. O"Neill \\ Sons',
        "ceo@bank.example, Riverside Barbers: and all that goes with it, since nineteen hundred and two; or so",
        "Barbearia São João, Cabeleireiros: corte, barba e ceo@bank.example, em Lisboa, no Porto e em Faro (PT)",
        "Riverside Barbers and all that goes with it, São João and a great deal more: x@bank.example, since 1902",
        "理发店, " * 28 + "x@bank.example",
        "=?utf-8?q?ceo=40bank=2Eexample=2C?= =?utf-8?q?=0D=0ABcc=3A_x=40bank=2Eexample?=",
    ],
)
async def test_whatever_a_business_is_called_its_mail_is_from_one_address(name: str) -> None:
    server, mails = BadSmtpServer(), list[bytes]()
    server.keep = mails.append
    try:
        smtp = SmtpSettings(smtp_port=server.port)
        provider = SmtpProvider(Mailer(smtp), "no-reply@riverside.example")
        letter = Letter("Hello", "text", None)
        await provider.send(new_id(), new_id(), Draft("c@d.example", letter, name, None))
    finally:
        server.close()
    (mail,) = mails
    seen = message_from_bytes(mail, policy=default)["From"].addresses
    assert [address.addr_spec for address in seen] == ["no-reply@riverside.example"]
    ((shown, address),) = getaddresses([str(message_from_bytes(mail)["From"])])
    assert (str(make_header(decode_header(shown))), address) == (name, "no-reply@riverside.example")
    head = mail.partition(b"\r\n\r\n")[0]
    assert b"\r\nBcc" not in head
    assert max(map(len, head.split(b"\r\n"))) < 200


@pytest.mark.parametrize(
    ("contact", "written"),
    [
        ("salon@riverside.example", "salon@riverside.example"),
        ("salon@münchen.example", "salon@xn--mnchen-3ya.example"),
        ("josé@riverside.example", None),
        ("=?utf-8?q?=0D=0ABcc=3Ax?=@riverside.example", None),
    ],
)
async def test_an_answer_goes_to_an_address_that_a_header_can_hold(contact: str, written: str | None) -> None:
    server, mails = BadSmtpServer(), list[bytes]()
    server.keep = mails.append
    try:
        provider = SmtpProvider(Mailer(SmtpSettings(smtp_port=server.port)), "no-reply@riverside.example")
        letter = Letter("Hello", "text", None)
        await provider.send(new_id(), new_id(), Draft("c@d.example", letter, "Riverside", contact))
    finally:
        server.close()
    (mail,) = mails
    assert message_from_bytes(mail)["Reply-To"] == written


def test_settings_that_do_not_fit_together_are_refused() -> None:
    key = SecretStr("k" * 40)
    with pytest.raises(ValidationError, match="SMS_URL"):
        NotificationSettings(link_key=key, sms_provider="http")
    with pytest.raises(ValidationError, match="SEND_TIMEOUT"):
        NotificationSettings(link_key=key, send_timeout=60, lease_seconds=60)
    with pytest.raises(ValidationError):
        NotificationSettings(link_key=SecretStr("short"))
