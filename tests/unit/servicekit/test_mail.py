"""A mail server on a bad day: nothing is called refused that is not, nor missed that was taken."""

import asyncio
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default

import pytest

from servicekit.mail import Attachment, Mailer, MailRefused, MailUnavailable, SmtpSettings
from support.bad_servers import HAS_CONTENT, IN_DOUBT, BadSmtpServer, SmtpFault


@pytest.fixture
def server() -> Iterator[BadSmtpServer]:
    made = BadSmtpServer()
    yield made
    made.close()


def mailer(server: BadSmtpServer, *, seconds: float = 10) -> Mailer:
    return Mailer(SmtpSettings(smtp_port=server.port, smtp_timeout=seconds))


async def send(server: BadSmtpServer, *, seconds: float = 10) -> str:
    return await mailer(server, seconds=seconds).send(
        "ana@riverside.example", "Hello", "text", message_id="1"
    )


@pytest.mark.parametrize("fault", [fault for fault in SmtpFault if fault is not SmtpFault.NO_GOODBYE])
async def test_what_says_nothing_about_the_mail_is_tried_again(
    server: BadSmtpServer, fault: SmtpFault
) -> None:
    server.faults.append(fault)
    with pytest.raises(MailUnavailable) as unavailable:
        await send(server, seconds=1 if fault is SmtpFault.SILENT else 10)
    assert unavailable.value.in_doubt is (fault in IN_DOUBT)
    assert server.taken == []
    assert server.seen == (["<1@slotwright.example>"] if fault in HAS_CONTENT else [])
    await send(server)
    assert server.taken == ["<1@slotwright.example>"]


async def test_a_mail_that_was_taken_is_so_whatever_the_goodbye(server: BadSmtpServer) -> None:
    server.faults.append(SmtpFault.NO_GOODBYE)
    assert await send(server) == "<1@slotwright.example>"
    assert asyncio.all_tasks() != {asyncio.current_task()}, "the goodbye is still being said"
    assert server.taken == ["<1@slotwright.example>"]


async def test_a_mails_id_is_of_the_domain_that_it_comes_from(server: BadSmtpServer) -> None:
    settings = SmtpSettings(smtp_port=server.port, mail_from="Münster <hallo@münster.example>")
    told = await Mailer(settings).send(
        "ana@riverside.example", "Hello", "text", sender="a@b.example", message_id="1"
    )
    assert server.taken == [told] == ["<1@xn--mnster-3ya.example>"]


@pytest.mark.parametrize(
    ("answer", "no_mailbox"),
    [
        (b"550 5.1.1 <ana@riverside.example>: no such user\r\n", True),
        (b"550-5.1.1 The account does not exist.\r\n550 5.1.1 Look at it\r\n", True),
        (b"556 5.1.10 takes no mail\r\n", True),
        (b"550 no such user here\r\n", False),
        (b"550 5.7.1 policy\r\n", False),
        (b"552 5.2.2 mailbox full\r\n", False),
    ],
)
async def test_what_refuses_the_recipient_is_refused(
    server: BadSmtpServer, answer: bytes, *, no_mailbox: bool
) -> None:
    server.rcpt = answer
    with pytest.raises(MailRefused) as refused:
        await send(server)
    assert refused.value.no_mailbox is no_mailbox
    assert "ana@" not in str(refused.value)


@pytest.mark.parametrize("answer", [b"500 what?\r\n", b"503 not now\r\n", b"599 \xff\r\n", b"450 later\r\n"])
async def test_what_refuses_the_conversation_is_tried_again(server: BadSmtpServer, answer: bytes) -> None:
    server.rcpt = answer
    with pytest.raises(MailUnavailable):
        await send(server)


async def test_a_long_link_stays_whole_in_its_header(server: BadSmtpServer) -> None:
    link = f"<https://book.example/unsubscribe/{'A' * 90}>"
    kept: list[bytes] = []
    server.keep = kept.append
    await mailer(server).send(
        "ana@riverside.example",
        "Marcação " * 12,
        "text",
        message_id="1",
        headers={"List-Unsubscribe": link},
        attachments=(Attachment("a.ics", "text/calendar", b"BEGIN", {"method": "PUBLISH"}),),
    )
    lines = kept[0].split(b"\r\n")
    assert f"List-Unsubscribe: {link}".encode() in lines
    assert b'Content-Type: text/calendar; method="PUBLISH"' in lines
    assert max(len(line) for line in lines if not line.startswith(b"List-Unsubscribe")) <= 78


@pytest.mark.parametrize(
    "subject",
    [
        "Booked: Haircut at Riverside Barbers, Monday, 5 June 2026, 10:00, and a few words more",
        "Booked: =?utf-8?q?Hello=0D=0ABcc=3A_x=40bank=2Eexample?=",
        "Booked: =?utf-8?b?DQpTdWJqZWN0OiBZb3UgaGF2ZSB3b24NCg0KUGF5IGhlcmU=?= at Riverside",
        "=?x?= a =?utf-8?b?=",
        "Booked: תספורת at מספרת השלום, Monday, 5 June 2026",
        f"{'x' * 70} é {'y' * 80}",
        "z" * 200,
        "👩\u200d⚕️🧑🏽\u200d🤝\u200d🧑🏻 " * 12 + ".",
    ],
)
async def test_a_subject_says_what_it_is_given_and_writes_no_other_header(
    server: BadSmtpServer, subject: str
) -> None:
    kept: list[bytes] = []
    server.keep = kept.append
    await mailer(server).send("ana@riverside.example", subject, "text", message_id="1")
    seen = message_from_bytes(kept[0], policy=default)
    assert seen["Subject"] == subject
    assert seen.get_content().strip() == "text"
    assert set(seen) == {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    }
    assert max(map(len, kept[0].split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("ana@münchen.example", "ana@xn--mnchen-3ya.example"),
        ("ana@straße.example", "ana@xn--strae-oqa.example"),
    ],
)
async def test_a_domain_in_any_script_is_written_as_every_server_takes_it(
    server: BadSmtpServer, address: str, sent: str
) -> None:
    kept: list[bytes] = []
    server.keep = kept.append
    await mailer(server).send(address, "Hello", "text", message_id="1")
    assert f"To: {sent}".encode() in kept[0].split(b"\r\n")


async def test_a_mailbox_outside_of_ascii_is_refused_where_the_server_takes_none(
    server: BadSmtpServer,
) -> None:
    with pytest.raises(MailRefused) as refused:
        await mailer(server).send("josé@riverside.example", "Hello", "text", message_id="1")
    assert not refused.value.no_mailbox
    assert "josé" not in str(refused.value)
    assert server.seen == []
