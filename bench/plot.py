"""A plot of several series over one quantity, both axes logarithmic, as an SVG that docs/performance.md shows.

Called by the benches whose figures grow with something. No library: lines and labels are all that is drawn.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 190, 20, 50
_COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b9770e", "#5d6d7e")

Points = Sequence[tuple[float, float]]


def write_plot(path: Path, series: Mapping[str, Points], *, across: str, up: str) -> None:
    """`series` by name: points whose coordinates are above 0. `across` and `up` name the axes, with units."""
    every = [point for points in series.values() for point in points]
    x_low, x_high = _decades([x for x, _ in every])
    y_low, y_high = _decades([y for _, y in every])

    def place(x: float, y: float) -> tuple[float, float]:
        along = (math.log10(x) - x_low) / (x_high - x_low)
        above = (math.log10(y) - y_low) / (y_high - y_low)
        return (
            _LEFT + along * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - above * (_HEIGHT - _TOP - _BOTTOM),
        )

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"'
        ' font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for power in range(x_low, x_high + 1):
        x, bottom = place(10**power, 10**y_low)
        drawn.append(_line(x, _TOP, x, bottom))
        drawn.append(_text(x, bottom + 18, _number(power), "middle"))
    for power in range(y_low, y_high + 1):
        left, y = place(10**x_low, 10**power)
        drawn.append(_line(left, y, _WIDTH - _RIGHT, y))
        drawn.append(_text(left - 8, y + 4, _number(power), "end"))
    drawn.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, across, "middle"))
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    drawn.append(
        f'<text transform="translate(16 {middle:.0f}) rotate(-90)" text-anchor="middle">{escape(up)}</text>'
    )
    for number, (name, points) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [place(x, y) for x, y in points]
        path_of = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(f'<polyline points="{path_of}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        beside = _TOP + 14 + 20 * number
        drawn.append(
            f'<rect x="{_WIDTH - _RIGHT + 14}" y="{beside - 9}" width="12" height="12" fill="{colour}"/>'
        )
        drawn.append(_text(_WIDTH - _RIGHT + 32, beside + 2, name, "start"))
    path.write_text("\n".join([*drawn, "</svg>", ""]), "utf-8")


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten that hold all values between them."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _number(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10**power:.{-power}f}"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
