"""Very many dead letters, or ones that go meanwhile: what the operator's command keeps, prints and goes on with."""

import argparse
import json
import tracemalloc

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
)

from integration.servicekit.desk import APPOINTMENTS, Command
from servicekit.redrive import DeadLetterBox, Outcome, Place, RedriveError
from support.broker import Broker
from tenant_operator import dead_letters as command_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def broker(own_broker: Broker) -> Broker:
    """Dead letters of its own: the tests count all of them."""
    return own_broker


def dead_letters(broker: Broker, service: str, number: int, topic: str = "nowhere") -> None:
    """So many letters of a consumer `<service>.many`, with headers as long as real ones."""
    sender = Producer(dict(broker.super_user()))
    own = {f"ce_header{n}": b"x" * 100 for n in range(8)}
    marks = {
        "dl_consumer": f"{service}.many".encode(),
        "dl_topic": topic.encode(),
        "dl_error": b"X: " + b"y" * 200,
    }
    for _ in range(number):
        sender.produce(f"{service}.dlq.v1", b"{}", b"k", headers={**own, **marks})
        sender.poll(0)
    assert sender.flush(30) == 0


def test_listing_very_many_letters_takes_no_more_memory_than_a_few(
    broker: Broker, box: DeadLetterBox
) -> None:
    """The command runs beside the operator, within its limit."""
    dead_letters(broker, "scheduler", 5000)
    tracemalloc.start()
    try:
        found = sum(1 for _letter in box.letters(["scheduler"]))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == 5000
    assert peak < 4_000_000


def test_a_list_has_the_oldest_up_to_its_limit_and_says_how_many_more(
    broker: Broker, command: Command
) -> None:
    dead_letters(broker, "booking", 503)
    body = command.form("list", "--consumer", "booking", "--limit", "2")
    assert [row["id"] for row in body["letters"]] == ["booking/0/0", "booking/0/1"]
    assert body["more"] == 501
    plain = command.run("list", "--consumer", "booking")
    assert len(plain.stdout.splitlines()) == 500
    assert plain.stderr == "3 more are not shown; give a larger --limit, or --consumer or --tenant.\n"


def test_each_outcome_is_printed_before_the_next_letter_is_put_back(
    broker: Broker, box: DeadLetterBox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A re-drive may take hours, in which somebody between here and the terminal would end a silent connection."""
    dead_letters(broker, "auth", 3)
    printed: list[str] = []
    redrive = box.redrive

    def watched(place: Place, *, dry_run: bool = False) -> Outcome:
        printed.append(capsys.readouterr().out)
        if place.offset == 2:
            raise RedriveError("Kafka is away.")
        return redrive(place, dry_run=dry_run)

    monkeypatch.setattr(box, "redrive", watched)
    parser = argparse.ArgumentParser()
    command_of.add_arguments(parser)
    given = parser.parse_args(["redrive", "--consumer", "auth", "--output", "json"])
    assert command_of._redrive(given, box) == 1
    last = capsys.readouterr()
    assert ["auth/0/0" in printed[1], "auth/0/1" in printed[2]] == [True, True]
    assert [row["id"] for row in json.loads("".join([*printed, last.out]))["letters"]] == [
        "auth/0/0",
        "auth/0/1",
    ]
    assert last.err == "Kafka is away. 1 letters have not been put back.\n"


def test_one_that_goes_before_it_is_put_back_is_refused_and_the_rest_go_on(
    broker: Broker, box: DeadLetterBox
) -> None:
    dead_letters(broker, "billing", 2, APPOINTMENTS)
    places = [letter.place for letter in box.letters(["billing"])]
    gone = TopicPartition("billing.dlq.v1", 0, places[0].offset + 1)
    admin = AdminClient(dict(broker.super_user()))
    for future in admin.delete_records([gone]).values():
        future.result(30)
    assert [box.redrive(place).result for place in places] == ["refused", "redriven"]
