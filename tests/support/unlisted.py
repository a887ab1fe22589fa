"""What stands between a client and its Kafka, and makes Kafka's answers list no broker; for tests of clients.

Kafka itself does so for a moment when its only broker was fenced, as after standing still for longer than its
session. librdkafka then forgets the brokers that it knew, and where several such answers come at once, it may never
ask for them again (docs/adr/0029). By the protocol's layout of Metadata, version 9 and later.
"""

import struct
from collections.abc import Iterator

from support.proxy import Tap

_METADATA = 3
_FIRST_FLEXIBLE = 9


class Listing:
    """What the taps of one proxy share."""

    def __init__(self) -> None:
        self.hidden = False
        """Whether answers list no broker."""
        self.told = 0
        """How many such answers have come to a client."""


class Unlisted(Tap):
    """One connection."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._requests = _Frames()
        self._answers = _Frames()
        self._asked: set[int] = set()
        """Correlation ids of requests for metadata."""

    def forth(self, data: bytes) -> bytes:
        for frame in self._requests.whole(data):
            kind, version, number = struct.unpack_from(">hhi", frame, 4)
            if kind == _METADATA:
                assert version >= _FIRST_FLEXIBLE, version
                self._asked.add(number)
        return data

    def back(self, data: bytes) -> bytes:
        return b"".join(self._passed_on(frame) for frame in self._answers.whole(data))

    def _passed_on(self, frame: bytes) -> bytes:
        (number,) = struct.unpack_from(">i", frame, 4)
        about_brokers = number in self._asked
        self._asked.discard(number)
        if not (about_brokers and self._listing.hidden):
            return frame
        self._listing.told += 1
        return _without_brokers(frame)


class _Frames:
    """Messages of Kafka's protocol, out of chunks: each has its length before it."""

    def __init__(self) -> None:
        self._left = b""

    def whole(self, data: bytes) -> Iterator[bytes]:
        self._left += data
        while len(self._left) >= 4 and len(self._left) >= (
            end := 4 + struct.unpack_from(">i", self._left)[0]
        ):
            frame, self._left = self._left[:end], self._left[end:]
            yield frame


def _without_brokers(frame: bytes) -> bytes:
    """Behind length, correlation id, tags and throttle time come the brokers: node, host, port, rack and tags."""
    start = 4 + 4 + 1 + 4
    count, at = _varint(frame, start)
    for _ in range(count - 1):
        for fixed in (4, 4):
            length, at = _varint(frame, at + fixed)
            at += max(length - 1, 0)
        at += 1
    rest = frame[4:start] + b"\x01" + frame[at:]
    return struct.pack(">i", len(rest)) + rest


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at
