"""A data set to its bits an image under a model, and the plot of how they settle: the work of `pixelrnn entropy`."""

import math
from html import escape
from pathlib import Path

from model_core.errors import DataError
from model_core.measures.entropy import Entropy

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 560, 300, 64, 36, 44
STYLE = (
    "text{font:12px sans-serif;fill:#333}.t{font-weight:bold}.g{stroke:#ddd}"
    ".b{fill:#1b6ca8;fill-opacity:.2}.l{fill:none;stroke:#1b6ca8;stroke-width:2}"
)
_SETTLED = 64
"""The vertical axis shows all intervals from so many images on; before, they may reach beyond it."""


def write_plot(found: list[Entropy], title: str, path: Path) -> None:
    """Bits an image against images, on a logarithmic axis, with the 95% interval, as SVG.

    Raises DataError when it cannot be written.
    """
    try:
        path.write_text(_svg(found, title), encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None


def _svg(found: list[Entropy], title: str) -> str:
    settled = [each for each in found if each.images >= _SETTLED] or found
    low, high = min(each.low for each in settled), max(each.high for each in settled)
    low, high = (low, high) if high > low else (low - 1, high + 1)
    first, last = found[0].images, found[-1].images

    def across(images: int) -> float:
        share = math.log(images / first) / math.log(last / first) if last > first else 0.5
        return LEFT + share * (WIDTH - LEFT - 20)

    def down(bits: float) -> float:
        return TOP + (high - bits) / (high - low) * (HEIGHT - TOP - BOTTOM)

    there = [f"{across(each.images):.1f} {down(each.high):.1f}" for each in found]
    back = [f"{across(each.images):.1f} {down(each.low):.1f}" for each in reversed(found)]
    line = [f"{across(each.images):.1f} {down(each.bits):.1f}" for each in found]
    ticks = [low + k * (high - low) / 4 for k in range(5)]
    parts = [
        f'<text class="t" x="{LEFT}" y="20">{escape(title)}</text>',
        *(f'<path class="g" d="M{LEFT} {down(tick):.1f}H{WIDTH - 20}"/>' for tick in ticks),
        *(f'<text x="4" y="{down(tick) + 4:.1f}">{tick:.2f}</text>' for tick in ticks),
        f'<clipPath id="c"><path d="M{LEFT} {TOP}H{WIDTH - 20}V{HEIGHT - BOTTOM}H{LEFT}Z"/></clipPath>',
        f'<g clip-path="url(#c)"><path class="b" d="M{"L".join(there + back)}Z"/>',
        f'<path class="l" d="M{"L".join(line)}"/></g>',
        *(
            f'<text text-anchor="middle" x="{across(each.images):.1f}" y="{HEIGHT - 24}">{each.images:,}</text>'
            for each in found[-1::-2]
        ),
        f'<text x="{LEFT}" y="{HEIGHT - 6}">images (bits an image: the mean, and its 95% interval)</text>',
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
    return "\n".join(
        [head, f"<style>{STYLE}</style>", '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>\n"]
    )
