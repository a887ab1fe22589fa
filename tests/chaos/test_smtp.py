"""The gate before the mail server strikes where it says: what a real server has, and what the sender is told."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from chaos.smtp import MailGate, Strike
from devstack.local_http import LOCAL_HTTP
from devstack.processes import free_port
from servicekit.ids import new_id
from servicekit.mail import Mailer, MailUnavailable, SmtpSettings
from support.mail import Mailpit
from support.proxy import Proxy

LONG = "A line of a mail that does not go through in one chunk.\n" * 20_000


class Post:
    """A sender, and what the mail server has."""

    def __init__(self, mailpit: Mailpit) -> None:
        self._mailpit = mailpit
        self.struck: list[tuple[Strike, str]] = []
        self.gate = MailGate(lambda strike, mail: self.struck.append((strike, mail)))
        self.proxy = Proxy(free_port(), mailpit.smtp_port, self.gate.tap)

    async def send(self, key: str, text: str = "Hello.", *, seconds: float = 20) -> None:
        """Waits so long for an answer."""
        mailer = Mailer(SmtpSettings(smtp_port=self.proxy.port, smtp_timeout=seconds))
        await mailer.send("bea@customer.example", "News", text, message_id=key)

    def has(self, key: str) -> int:
        """How many copies."""
        answer = LOCAL_HTTP.get(f"{self._mailpit.url}/api/v1/messages", params={"limit": 500})
        return [item["MessageID"] for item in answer.json()["messages"]].count(f"{key}@slotwright.example")


@pytest.fixture
def post(mailpit: Mailpit) -> Iterator[Post]:
    made = Post(mailpit)
    with closing(made.proxy):
        yield made


@pytest.fixture
def key() -> str:
    """Of a new mail."""
    return str(new_id())


@pytest.mark.parametrize(
    ("strike", "seconds", "told"),
    [(Strike.BEHIND, 20, "SMTPServerDisconnected"), (Strike.HELD, 2, "no answer in time")],
)
async def test_the_server_has_the_mail_and_the_sender_is_not_told(
    post: Post, key: str, strike: Strike, seconds: float, told: str
) -> None:
    post.gate.arm(strike)
    with pytest.raises(MailUnavailable, match=told) as unavailable:
        await post.send(key, seconds=seconds)
    assert unavailable.value.in_doubt
    assert post.struck == [(strike, key)]
    assert post.has(key) == 1
    await post.send(key)
    assert post.has(key) == 2


@pytest.mark.parametrize("share", [0, 0.5, 0.999999])
@pytest.mark.parametrize("text", ["Hello.", LONG])
async def test_the_server_does_not_get_the_end(post: Post, key: str, share: float, text: str) -> None:
    post.gate.arm(Strike.WITHIN, share=share)
    with pytest.raises(MailUnavailable) as unavailable:
        await post.send(key, text)
    assert unavailable.value.in_doubt
    assert post.struck == [(Strike.WITHIN, key)]
    await post.send(key)
    assert post.has(key) == 1


async def test_each_arming_strikes_one_mail_in_that_order(post: Post) -> None:
    armed = {str(new_id()): strike for strike in (Strike.BEHIND, Strike.WITHIN, Strike.BEHIND)}
    for strike in armed.values():
        post.gate.arm(strike)
    for key in armed:
        with pytest.raises(MailUnavailable):
            await post.send(key)
    assert not post.gate.armed()
    await post.send(str(new_id()))
    assert post.struck == [(strike, key) for key, strike in armed.items()]
