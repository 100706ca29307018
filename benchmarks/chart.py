"""A line chart as SVG text: logarithmic axes, one line for each series, the names at the side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

Points = Sequence[tuple[float, float]]

COLOURS = (
    "#1b6ca8",
    "#d1495b",
    "#2e7d32",
    "#8d6a00",
    "#6a4c93",
    "#00838f",
    "#c2571a",
    "#555555",
    "#ad1457",
    "#33691e",
)
WIDTH, HEIGHT, LEFT, TOP = 340, 250, 52, 34
LEGEND = 200
STYLE = (
    "text{font:11px sans-serif;fill:#333}.t{font-weight:bold;font-size:12px}"
    ".g{stroke:#ddd}.l{fill:none;stroke-width:2}"
)


@dataclass(frozen=True)
class Panel:
    """One of the charts side by side. Lines by name: (x, y), above 0; level: a horizontal line to compare with."""

    title: str
    x_label: str
    lines: Mapping[str, Points]
    level: float | None = None


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    start: float
    length: float
    ticks: Sequence[float]

    def __call__(self, value: float) -> float:
        return self.start + self.length * math.log(value / self.low) / math.log(
            self.high / self.low
        )


def svg(panels: Sequence[Panel]) -> str:
    """The panels side by side and one legend for all."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    width, height = (
        (LEFT + WIDTH) * len(panels) + LEGEND,
        max(TOP + HEIGHT + 42, TOP + 18 * len(names) + 20),
    )
    parts = [
        _panel(panel, i * (LEFT + WIDTH) + LEFT, colours)
        for i, panel in enumerate(panels)
    ]
    parts.append(_legend(colours, (LEFT + WIDTH) * len(panels) + 20))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join(
        [
            head,
            f"<style>{STYLE}</style>",
            '<rect width="100%" height="100%" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _panel(panel: Panel, left: float, colours: Mapping[str, str]) -> str:
    points = [point for line in panel.lines.values() for point in line]
    xs = sorted({x for x, _ in points})
    x = _Axis(xs[0], max(xs[-1], 1.01 * xs[0]), left + 12, WIDTH - 40, xs)
    y = _y_axis(
        [value for _, value in points] + ([] if panel.level is None else [panel.level])
    )
    out = [
        f'<text class="t" x="{left}" y="20">{escape(panel.title)}</text>',
        *_grid(x, y, left),
    ]
    if panel.level is not None:
        out.append(
            f'<path class="l" stroke="#999" stroke-dasharray="5 4" d="M{left} {y(panel.level):.1f}h{WIDTH - 16}"/>'
        )
    for name, line in panel.lines.items():
        path = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in sorted(line))
        dots = "".join(
            f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3"/>' for a, b in line
        )
        out.append(
            f'<path class="l" stroke="{colours[name]}" d="M{path}"/><g fill="{colours[name]}">{dots}</g>'
        )
    out.append(
        f'<text x="{left + WIDTH / 2 - 30}" y="{TOP + HEIGHT + 34}">{escape(panel.x_label)}</text>'
    )
    return "\n".join(out)


def _y_axis(values: Sequence[float]) -> _Axis:
    """An axis from below the smallest value to above the largest; ticks at 1, 2 and 5 times powers of ten."""
    nice = [m * 10.0**e for e in range(-6, 7) for m in (1, 2, 5)]
    low = max(tick for tick in nice if tick <= min(values))
    high = min(tick for tick in nice if tick > max(values))
    return _Axis(
        low, high, TOP + HEIGHT, -HEIGHT, [tick for tick in nice if low <= tick <= high]
    )


def _grid(x: _Axis, y: _Axis, left: float) -> list[str]:
    out = []
    for tick in y.ticks:
        at = y(tick)
        out.append(f'<path class="g" d="M{left} {at:.1f}h{WIDTH - 16}"/>')
        out.append(
            f'<text text-anchor="end" x="{left - 6}" y="{at + 4:.1f}">{tick:g}</text>'
        )
    below = TOP + HEIGHT + 16
    free = -math.inf
    for tick in x.ticks:
        at = x(tick)
        if at < free:  # it would overlap the label before it
            continue
        free = at + 8 * len(f"{tick:g}")
        out.append(
            f'<text text-anchor="middle" x="{at:.1f}" y="{below}">{tick:g}</text>'
        )
    return out


def _legend(colours: Mapping[str, str], left: float) -> str:
    return "\n".join(
        f'<path class="l" stroke="{colour}" d="M{left} {TOP + 18 * i}h18"/>'
        f'<text x="{left + 24}" y="{TOP + 4 + 18 * i}">{escape(name)}</text>'
        for i, (name, colour) in enumerate(colours.items())
    )
