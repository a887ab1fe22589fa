"""A record that Kafka takes and does not acknowledge, as it stands still: its number is not used again."""

import pytest

from contracts.envelope import parse_headers
from contracts.platform import TenantChanged, TenantState
from support.api_server import ApiServer
from support.broker import Broker
from support.operator_world import OperatorWorld


@pytest.fixture(scope="module")
def apart(
    api_server: ApiServer, own_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> OperatorWorld:
    """With a Kafka of its own, as it stands still here, and without an operator."""
    return OperatorWorld(api_server, own_broker, tmp_path_factory.mktemp("unacknowledged"))


@pytest.mark.slow
def test_a_change_after_a_record_that_was_not_acknowledged_has_a_number_of_its_own(
    apart: OperatorWorld,
) -> None:
    """Takes the time in which a record is given up, half a minute."""
    with apart.operator():
        name = apart.provisioned(apart.new_plan())
        tenant_id = apart.tenant_id(name)
        with apart.broker.silent():
            apart.api.patch("Tenant", name, {"spec": {"limits": {"staff": 30}}})
            body = apart.await_condition(name, "Ready", "False", "KafkaUnavailable")
            assert body["status"]["recordGeneration"] == 2
            apart.api.patch("Tenant", name, {"spec": {"suspended": True}})
        last = apart.await_record(tenant_id, TenantState.SUSPENDED)
    told: dict[int, set[TenantState]] = {}
    for key, value, headers in apart.read_topic(TenantChanged.TOPIC):
        if key == str(tenant_id):
            record = parse_headers(headers, value).event()
            assert isinstance(record, TenantChanged)
            told.setdefault(record.generation, set()).add(record.state)
    assert told == {
        1: {TenantState.ACTIVE},
        2: {TenantState.ACTIVE},
        last.generation: {TenantState.SUSPENDED},
    }
