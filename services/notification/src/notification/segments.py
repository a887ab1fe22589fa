"""How many segments a text message takes, which is what carriers charge for. Pure.

Source: 3GPP TS 23.038 (the GSM 7-bit alphabet and its extension table) and TS 23.040 (concatenation: a header of
six octets in each part leaves 153 septets or 67 UTF-16 units of it).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Each takes two septets, an escape and its own, which are not split over two segments."""


@dataclass(frozen=True, slots=True)
class Size:
    """`units` are septets in GSM-7 and UTF-16 code units in UCS-2."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


def size(text: str) -> Size:
    """The size of a text message as a phone network sends it; an empty one takes a segment too."""
    if all(char in _BASIC or char in _EXTENSION for char in text):
        widths = [2 if char in _EXTENSION else 1 for char in text]
        return Size("GSM-7", sum(widths), _segments(widths, single=160, part=153))
    widths = [2 if ord(char) > 0xFFFF else 1 for char in text]
    return Size("UCS-2", sum(widths), _segments(widths, single=70, part=67))


def _segments(widths: list[int], *, single: int, part: int) -> int:
    return 1 if sum(widths) <= single else sum(1 for _ in _parts(widths, part))


def _parts(widths: list[int], part: int) -> Iterator[int]:
    """The parts' lengths; what is two units wide stays in one part."""
    filled = 0
    for width in widths:
        if filled + width > part:
            yield filled
            filled = 0
        filled += width
    yield filled
