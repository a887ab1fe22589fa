"""Forgotten passwords."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from integration.auth.world import PASSWORD, World, new_email
from support.events import until

NEW = "a yellow tandem"


def _ask(world: World, email: str, address: str = "") -> int:
    return world.post("/v1/passwords/reset-requests", {"email": email}, address=address).status_code


def test_a_link_by_mail_sets_a_new_password_and_ends_every_session(world: World) -> None:
    _, owner = world.business()
    for _ in range(10):
        world.post("/v1/sessions", {"email": owner.email, "password": "a guess too many"})
    before = len(world.mails(owner.email))
    assert _ask(world, owner.email) == 202
    token = world.links(owner.email, count=before + 1)[-1]
    assert world.set_password(token, NEW).json() == {"email": owner.email}
    assert world.refresh(owner.session["refresh_token"]).status_code == 401
    assert world.call("GET", "/v1/me", owner).status_code == 401
    assert world.post("/v1/sessions", {"email": owner.email, "password": PASSWORD}).status_code == 401
    assert world.sign_in(owner.email, password=NEW), "and ends the lock-out"
    assert world.set_password(token, NEW).status_code == 422, "a link works once"


def test_a_used_link_voids_the_others(world: World) -> None:
    _, owner = world.business()
    before = len(world.mails(owner.email))
    for n in (1, 2):
        _ask(world, owner.email)
        tokens = world.links(owner.email, count=before + n)
    assert world.set_password(tokens[-1], NEW).status_code == 200
    assert world.set_password(tokens[-2], PASSWORD).status_code == 422


def test_of_two_links_that_are_used_at_once_one_sets_a_password_and_the_other_is_void(world: World) -> None:
    """Neither waits for the other in a circle, which ends with a 503 for one of them."""
    _, owner = world.business()
    before = len(world.mails(owner.email))
    for n in (1, 2):
        _ask(world, owner.email)
        tokens = world.links(owner.email, count=before + n)
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(2) as threads, psycopg.connect(world.database.admin_url) as other:
        other.execute("SELECT FROM users WHERE email = %s FOR UPDATE", (owner.email,))
        answers = [threads.submit(world.set_password, token, NEW) for token in tokens[-2:]]
        until(lambda: len(world.rows(waiting)) == 2, "both wait for the user's row")
    assert sorted(answer.result().status_code for answer in answers) == [200, 422]


def test_an_unknown_address_gets_the_same_answer_and_no_mail(world: World) -> None:
    unknown, (_, owner) = new_email(), world.business()
    before = len(world.mails(owner.email))
    answers = [
        world.post("/v1/passwords/reset-requests", {"email": email}) for email in (unknown, owner.email)
    ]
    assert {answer.status_code for answer in answers} == {202}
    assert answers[0].json() == answers[1].json()
    until(lambda: len(world.mails(owner.email)) == before + 1, "the known one got a mail")
    until(lambda: not world.rows("SELECT 1 FROM mail WHERE reset_email = %s", unknown), "the other is done")
    assert world.mails(unknown) == []


def test_nobody_is_flooded_and_nothing_tells(world: World) -> None:
    _, owner = world.business()
    before = len(world.mails(owner.email))
    assert [_ask(world, owner.email) for _ in range(6)] == [202] * 6
    until(lambda: len(world.mails(owner.email)) == before + 3, "three mails")
    until(lambda: not world.rows("SELECT 1 FROM mail WHERE reset_email = %s", owner.email), "all are sent")
    assert len(world.mails(owner.email)) == before + 3


def test_a_replay_writes_once(world: World) -> None:
    _, owner = world.business()
    before = len(world.mails(owner.email))
    body, key = {"email": owner.email}, owner.email
    answers = [world.post("/v1/passwords/reset-requests", body, key=key) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true", "true"]
    other = world.post("/v1/passwords/reset-requests", {"email": new_email()}, key=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    until(lambda: not world.rows("SELECT 1 FROM mail WHERE reset_email = %s", owner.email), "all are sent")
    assert len(world.mails(owner.email)) == before + 1


def test_one_address_asks_so_often_only(world: World) -> None:
    statuses = [_ask(world, new_email(), "192.0.2.5") for _ in range(31)]
    assert statuses == [202] * 30 + [429]


def test_a_reset_link_ends_after_an_hour(world: World) -> None:
    _, owner = world.business()
    before = len(world.mails(owner.email))
    _ask(world, owner.email)
    token = world.links(owner.email, count=before + 1)[-1]
    world.rows("UPDATE password_reset SET expires_at = now() RETURNING 1 AS x")
    assert world.set_password(token, NEW).status_code == 422


def test_a_weak_password_is_refused_and_the_link_stays_good(world: World) -> None:
    _, owner = world.business()
    before = len(world.mails(owner.email))
    _ask(world, owner.email)
    token = world.links(owner.email, count=before + 1)[-1]
    refused = world.set_password(token, "short")
    assert refused.json()["errors"][0]["pointer"] == "/password"
    assert world.set_password(token, NEW).status_code == 200


@pytest.mark.parametrize("token", ["x", "swp_" + "A" * 64, "swi_" + "A" * 64, "swr_" + "A" * 64])
def test_a_made_up_link_is_refused(world: World, token: str) -> None:
    answer = world.set_password(token)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/link-invalid")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"token": "x"}, "/password"),
        ({"password": PASSWORD}, "/token"),
        ({"token": "x" * 201, "password": PASSWORD}, "/token"),
        ({"token": "x", "password": PASSWORD, "email": "a@b.example"}, "/email"),
    ],
)
def test_bad_input_is_named(world: World, body: dict[str, Any], pointer: str) -> None:
    answer = world.post("/v1/passwords/reset", body)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert PASSWORD not in answer.text


def test_a_reset_for_no_address_is_named(world: World) -> None:
    for email in ("ada", "", None, 7):
        answer = world.post("/v1/passwords/reset-requests", {"email": email})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/email"
