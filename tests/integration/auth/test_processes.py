"""What survives: mail through crashes and outages, signing keys through restarts and rotation.

Slow, because what is tested is a process that ends and another that starts.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import psycopg
import pytest

from auth.keyring import Keyring, Seal, new_key
from auth.queue_store import add_signing_key
from auth.settings import AuthSettings
from auth.store import SQL
from auth.workers import AuthHousekeeping
from contracts.platform import Owner
from devstack.processes import free_port
from integration.auth.world import ENCRYPTION_KEY, World, new_email, wish
from servicekit.clock import utc_now
from servicekit.db import Database
from servicekit.ids import new_id
from support.broker import Broker
from support.databases import Databases
from support.events import until
from support.mail import Mailpit
from support.tenants import new_tenant

pytestmark = pytest.mark.slow

SETTINGS = AuthSettings.model_validate({"encryption_key": ENCRYPTION_KEY})


@pytest.fixture
def world(
    databases: Databases, broker: Broker, mailpit: Mailpit, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A database of its own for each test, and no process yet."""
    made = World(databases.for_service("auth"), broker, mailpit, tmp_path_factory.mktemp("auth"))
    yield made
    made.http.close()


_WAITING = """
SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND position('FROM invitation' IN query) > 0
"""


def _owned() -> Any:
    return new_tenant(owner=Owner(email=new_email(), name="Ada"))


def test_a_link_may_be_used_while_its_mail_is_under_way(world: World) -> None:
    """Who accepts locks the invitation, then removes its mail: a sender that waits must not hold the mail."""
    tenant = _owned()
    with world.running(smtp_port=str(free_port())):
        world.announce(tenant)
        mine = "mail WHERE tenant_id = %s"
        until(
            lambda: world.rows(f"SELECT 1 FROM {mine} AND attempts > 0", tenant.tenant_id), "a first attempt"
        )
        with psycopg.connect(world.database.admin_url) as accepting:
            accepting.execute("SELECT FROM invitation WHERE tenant_id = %s FOR UPDATE", (tenant.tenant_id,))
            world.rows(
                "UPDATE mail SET due_at = now() WHERE tenant_id = %s RETURNING mail_id", tenant.tenant_id
            )
            until(lambda: world.rows(_WAITING), "the sender waits for the invitation")
            accepting.execute("SET LOCAL lock_timeout = '500ms'")
            removed = accepting.execute("DELETE FROM mail WHERE tenant_id = %s", (tenant.tenant_id,))
            assert removed.rowcount == 1


def test_killed_before_the_mail_is_sent_it_is_sent_once(world: World) -> None:
    tenant = _owned()
    with world.running(fault="auth.mail-claimed") as process:
        world.announce(tenant)
        assert process.process.wait(60) == -9
    assert world.mails(tenant.owner.email) == []
    with world.running():
        world.status(tenant, "OwnerInvited")
        assert len(world.mails(tenant.owner.email)) == 1
        world.accept(tenant.owner.email)


def test_killed_after_the_mail_is_sent_both_copies_are_one_message_and_both_links_work(world: World) -> None:
    tenant = _owned()
    with world.running(fault="auth.mail-sent") as process:
        world.announce(tenant)
        assert process.process.wait(60) == -9
    with world.running():
        world.status(tenant, "OwnerInvited")
        first, second = world.mails(tenant.owner.email)
        assert first["MessageID"] == second["MessageID"]
        old, new = world.links(tenant.owner.email, count=2)
        assert old != new
        assert world.set_password(old).status_code == 200
        assert world.set_password(new).status_code == 422


def test_mail_waits_for_a_server_that_is_away(world: World) -> None:
    tenant = _owned()
    with world.running(smtp_port=str(free_port())):
        world.announce(tenant)
        status = world.status(tenant, "MailUnavailable")
        assert (status["state"], status["details"]["owner_invited"]) == ("failed", False)
        until(lambda: world.rows("SELECT 1 AS x FROM mail WHERE attempts > 1"), "it was tried twice")
    with world.running():
        assert world.status(tenant, "OwnerInvited")["state"] == "ready"
        until(lambda: not world.rows("SELECT 1 FROM mail"), "the queue is empty")
        assert len(world.mails(tenant.owner.email)) == 1


def test_mail_that_was_given_up_says_so_and_a_change_of_the_tenant_sends_it_again(world: World) -> None:
    tenant, away = _owned(), str(free_port())
    with world.running(smtp_port=away):
        world.announce(tenant)
        world.status(tenant, "MailUnavailable")
        world.rows("UPDATE mail SET created_at = now() - interval '6 days', due_at = now() RETURNING 1")
        status = world.status(tenant, "OwnerMailGivenUp")
        assert status["state"] == "failed"
        assert "spec.owner.email" not in status["message"]
        (refused,) = world.rows("SELECT refused FROM invitation")
        assert refused["refused"] == "the mail server could not take it for five days"
        changed = world.change(tenant, owner=Owner(email=tenant.owner.email, name="Ada L."))
        world.status(changed, "MailUnavailable")
    with world.running():
        world.status(changed, "OwnerInvited")
        assert len(world.mails(tenant.owner.email)) == 1


def test_keys_outlive_a_restart_and_two_processes_share_them(world: World) -> None:
    with world.running():
        _, owner = world.business()
        first_url = world.url
        with world.running("serve"):
            assert world.url != first_url
            assert world.call("GET", "/v1/me", owner).status_code == 200
            assert world.refresh(owner.session["refresh_token"]).status_code == 200
    with world.running("serve"):
        assert world.call("GET", "/v1/me", owner).status_code == 200
    assert len(world.rows("SELECT 1 FROM signing_key")) == 1


def _kids(world: World) -> list[str]:
    return [key["kid"] for key in world.call("GET", "/.well-known/jwks.json").json()["keys"]]


def _rotate(world: World, *arguments: str) -> None:
    environment = {
        "SLOTWRIGHT_DATABASE_URL": world.database.settings.database_url.get_secret_value(),
        "SLOTWRIGHT_ENCRYPTION_KEY": ENCRYPTION_KEY,
    }
    command = [sys.executable, "-m", "auth", "rotate-keys", *arguments]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ENCRYPTION_KEY not in done.stdout + done.stderr


def test_a_rotated_key_is_published_before_it_signs_and_an_old_token_stays_good(world: World) -> None:
    with world.running():
        _, owner = world.business()
        (old,) = _kids(world)
        _rotate(world)
    with world.running("serve"):
        old_again, new = sorted(_kids(world), key=lambda kid: kid != old)
        assert old_again == old
        fresh = world.refresh(owner.session["refresh_token"]).json()
        assert jwt.get_unverified_header(fresh["access_token"])["kid"] == old
        world.rows(
            "UPDATE signing_key SET signs_from = now() - interval '1 second' WHERE kid = %s RETURNING 1", new
        )
    with world.running("serve"):
        fresh = world.refresh(fresh["refresh_token"]).json()
        assert jwt.get_unverified_header(fresh["access_token"])["kid"] == new
        assert world.call("GET", "/v1/me", owner).status_code == 200, "signed with the old one"
        world.rows("UPDATE signing_key SET signs_from = signs_from - interval '1 hour' RETURNING 1 AS x")
    with world.running("serve"):
        assert _kids(world) == [new]


def test_a_key_that_leaked_is_withdrawn_at_once(world: World) -> None:
    with world.running():
        _, owner = world.business()
        (old,) = _kids(world)
    _rotate(world, "--now")
    with world.running("serve"):
        assert old not in _kids(world)
        until(lambda: world.call("GET", "/v1/me", owner).status_code == 401, "its tokens are refused")
        assert world.refresh(owner.session["refresh_token"]).status_code == 200


def test_another_encryption_key_stops_the_process_with_a_line_that_says_so(world: World) -> None:
    with world.running("serve"):
        pass
    wrong = world.running("serve", encryption_key="B" * 43)
    with pytest.raises(AssertionError, match="did not become ready"), wrong:
        pass
    logs = "".join(path.read_text("utf-8") for path in world.folder.glob("*.log"))
    assert "was sealed with another SLOTWRIGHT_ENCRYPTION_KEY" in logs
    assert "B" * 43 not in logs


def test_a_missing_encryption_key_is_one_line(world: World) -> None:
    environment = {name: value for name, value in os.environ.items() if "ENCRYPTION_KEY" not in name}
    command = [sys.executable, "-m", "auth", "serve"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "auth: setting SLOTWRIGHT_ENCRYPTION_KEY: Field required\n"


async def test_a_key_is_followed_by_the_next_as_its_time_comes(world: World) -> None:
    now = utc_now()
    seal = Seal(SETTINGS.sealing_key())
    db = Database(world.database.settings, application="test")
    await db.open()
    try:
        async with db.public() as conn:
            await add_signing_key(conn, new_key(seal, now - timedelta(days=30)))
        at = now
        ring = Keyring(db, seal, SETTINGS.key_times(), clock=lambda: at)
        other = Keyring(db, seal, SETTINGS.key_times(), clock=lambda: at)
        await ring.turn()
        await other.turn()
        old, new = (key["kid"] for key in ring.jwks()["keys"])
        assert ring.jwks() == other.jwks()
        claims = {"sub": "ada"}
        for passed, kid, published in [
            (timedelta(0), old, {old, new}),
            (timedelta(minutes=15), new, {old, new}),
            (timedelta(minutes=30), new, {new}),
        ]:
            at = now + passed
            await ring.turn()
            assert jwt.get_unverified_header(ring.sign(claims, lifetime=timedelta(minutes=10)))["kid"] == kid
            assert {key["kid"] for key in ring.jwks()["keys"]} == published
    finally:
        await db.close()


async def test_housekeeping_drops_what_has_served_its_time(world: World) -> None:
    with world.running():
        _, owner = world.business()
        ended = owner.session["session_id"]
        kept = world.sign_in(owner.email).session["session_id"]
        forgotten = world.post("/v1/signups", wish()).json()["id"]
    world.rows(
        "UPDATE session SET ended_at = now() - interval '8 days' WHERE session_id = %s RETURNING 1", ended
    )
    db = Database(world.database.settings, application="test")
    await db.open()
    try:
        await AuthHousekeeping(db, SETTINGS).turn()
        assert [row["session_id"] for row in world.rows("SELECT session_id::text FROM session")] == [kept]
        assert [row["s"] for row in world.rows("SELECT session_id::text AS s FROM refresh_token")] == [kept]
        assert world.rows("SELECT state FROM signup") == [{"state": "requested"}]

        later = utc_now() + timedelta(hours=2)
        await AuthHousekeeping(db, SETTINGS, clock=lambda: later).turn()
        assert world.rows("SELECT state FROM signup") == [{"state": "failed"}]
        buried = world.rows("SELECT payload FROM outbox WHERE key = %s ORDER BY id", forgotten)
        assert buried[-1]["payload"] is None
        assert world.rows("SELECT 1 FROM attempt") == []

        much_later = utc_now() + timedelta(days=100)
        await AuthHousekeeping(db, SETTINGS, clock=lambda: much_later).turn()
        assert world.rows("SELECT 1 FROM session") == world.rows("SELECT 1 FROM signup") == []
        assert world.rows("SELECT 1 FROM invitation_link") == world.rows("SELECT 1 FROM refresh_token") == []
        assert len(world.rows("SELECT 1 FROM membership")) == 1
    finally:
        await db.close()


async def test_users_are_looked_at_some_at_a_time_until_each_has_been(world: World) -> None:
    """Among very many who work somewhere, those who work nowhere are erased all the same."""
    with world.running():
        owners = [world.business()[1].email for _ in range(3)]
    gone = [f"{new_id()}@gone.example" for _ in range(4)]
    for email in gone:
        world.rows(
            "INSERT INTO users (user_id, email, name, password_hash, password_set_at)"
            " VALUES (gen_random_uuid(), %s, '', '', now()) RETURNING 1",
            email,
        )
    db = Database(world.database.settings, application="test")
    await db.open()
    try:
        housekeeping = AuthHousekeeping(db, SETTINGS, users_at_once=2)
        turns = len(world.rows("SELECT 1 FROM users")) // 2 + 1
        for _ in range(turns):
            before = len(world.rows("SELECT 1 FROM users"))
            await housekeeping.turn()
            assert before - len(world.rows("SELECT 1 FROM users")) <= 2
        assert sorted(row["email"] for row in world.rows("SELECT email FROM users")) == sorted(owners)
        await housekeeping.turn()
        assert len(world.rows("SELECT 1 FROM users")) == len(owners), "it has begun anew"
    finally:
        await db.close()


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("drop_ended_sessions", "session_ended_at"),
        ("drop_expired_sessions", "session_expires_at"),
        ("drop_expired_links", "invitation_link_expires_at"),
        ("drop_expired_resets", "password_reset_expires_at"),
    ],
)
def test_what_has_served_its_time_is_found_by_an_index(
    databases: Databases, statement: str, index: str
) -> None:
    """Each minute, among all that is still good. Without rows, so that nothing but the indexes decides."""
    with psycopg.connect(databases.for_service("auth").settings.conninfo()) as conn:
        conn.execute(
            b"SELECT set_config('app.worker', 'on', true), set_config('enable_seqscan', 'off', true)"
        )
        values = {"before": utc_now(), "limit": 10}
        plan = "\n".join(line for (line,) in conn.execute(b"EXPLAIN " + getattr(SQL, statement), values))
    assert " <" in plan.partition(index)[2].partition("Index Cond:")[2].partition("\n")[0], plan


def test_a_session_is_found_by_its_id(databases: Databases) -> None:
    """In whichever business it is: at each renewal, among all sessions."""
    with psycopg.connect(databases.for_service("auth").settings.conninfo()) as conn:
        conn.execute(b"SELECT set_config('app.tenant_id', %s, true)", [str(new_id())])
        conn.execute(b"SET LOCAL enable_seqscan = off")
        plan = conn.execute(b"EXPLAIN " + SQL.session, {"session_id": new_id()}).fetchall()
    assert any("session_by_id" in line for (line,) in plan), plan


_MANY = "FROM generate_series(1, 5001) AS n"
_EXPIRED = {
    "invitation_link": (
        "INSERT INTO invitation_link (tenant_id, token_hash, invitation_id, expires_at)"
        f" SELECT i.tenant_id, int4send(n), i.invitation_id, '2020-01-01' {_MANY} CROSS JOIN invitation i"
    ),
    "password_reset": (
        "INSERT INTO password_reset (token_hash, user_id, expires_at)"
        f" SELECT int4send(n), u.user_id, '2020-01-01' {_MANY} CROSS JOIN users u"
    ),
    "attempt": (
        f"INSERT INTO attempt (bucket, count, window_ends_at) SELECT 'of ' || n, 1, '2020-01-01' {_MANY}"
    ),
    "signup": (
        "INSERT INTO signup (signup_id, state, message, slug, owner_email, created_at, changed_at)"
        f" SELECT gen_random_uuid(), 'failed', '', 'shop-' || n, '', '2020-01-01', '2020-01-01' {_MANY}"
    ),
}
"""One row more than is dropped at once of each."""


async def test_of_many_that_have_expired_some_thousands_go_at_a_time(world: World) -> None:
    """However many there are, no statement runs into its timeout, each time anew."""

    def left() -> dict[str, int]:
        return {table: len(world.rows(f"SELECT 1 FROM {table}")) for table in _EXPIRED}

    with world.running():
        world.business()
    before = left()
    for statement in _EXPIRED.values():
        world.rows(f"{statement} RETURNING 1")
    db = Database(world.database.settings, application="test")
    await db.open()
    try:
        housekeeping = AuthHousekeeping(db, SETTINGS)
        assert await housekeeping.turn() == 0, "at once again"
        assert left() == {table: count + 1 for table, count in before.items()}
        assert await housekeeping.turn() is None
        assert left() == before
    finally:
        await db.close()
