"""What entries of the history are told with, and how tests read them."""

from uuid import UUID

from support import web_samples as samples
from web.dashboard.history_values import Known
from web.dashboard.history_words import Told

ROOM, GONE = UUID(int=50), UUID(int=51)
KNOWN = Known(
    zone=samples.ZONE,
    currency="EUR",
    services={str(samples.SERVICE): "Haircut"},
    staff={str(samples.ADA): "Ada", str(samples.GRACE): "Grace"},
    things={str(ROOM): "Chair"},
    members={str(samples.ADA): "Ada Owner"},
)


def sentence(found: Told) -> str:
    before, after = found.says
    return f"{found.actor} {before}{found.entity}{after}"


def lines(found: Told) -> dict[str, tuple[str | None, str | None]]:
    return {line.label: (line.before, line.after) for line in found.lines}
