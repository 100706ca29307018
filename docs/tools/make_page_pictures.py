"""Make the pictures that the playground brings along.

    python docs/tools/make_page_pictures.py --characters characters.npz --plans plans.npz --emoji emoji.npz \
        --sprites sprites.npz

app/playground/img/digits.png: the test digits of docs/img/completions.png, side by side. scenes.webp: six small colour
pictures, drawn here, side by side. model-NAME.webp: samples of each model
in models/, drawn with seed 2016. characters.webp: 64 characters of the test split of characters.npz
(examples/characters), which no shipped network has been trained on, side by side; their names, which are printed, stand
in app/playground/js/service/examples.js. plans.webp, emoji.png and sprites.png: six test plans of examples/maps, spread
evenly, and eight test images of examples/emoji and of examples/sprites, chosen because everybody can tell what they
are. gravel.png was cut by hand: six parts of the photograph of examples/texture, of its last 25 columns, which are its
test.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from make_pictures import pixels_of
from PIL import Image, ImageDraw

from model_core.data.palette import indexed
from model_core.data.pixels import values_to_pixels

OUT = Path("app/playground/img")
COMPLETIONS = Path("docs/img/completions.png")
SCALE = 3
"""Pixels of docs/img/completions.png for each pixel of a digit; a line of one such pixel is around each."""
DIGITS, DIGIT_SIDE, BLUE_CUT = 8, 28, 128
SCENE_SIDE = 64
CHARACTERS = 64
PLANS = 6
EMOJI = (60, 45, 53, 29, 63, 26, 21, 62)
"""Places among the test images, all of Noto Emoji: smiley, mushroom, penguin, pepper, T-shirt, heart, duck, sun."""
SPRITES = (54, 58, 134, 116, 161, 201, 211, 219)
"""Places among the test sprites: elf, knight, turtle, horse, boots, sword, potion, shield."""
FINER = 8
"""Scenes are drawn this much larger and averaged down, so that edges are smooth."""

Pen = ImageDraw.ImageDraw
SKIES = (
    (126, 178, 222),
    (250, 190, 130),
    (34, 40, 86),
    (176, 210, 220),
    (244, 214, 160),
    (96, 130, 180),
)


def main(
    models_dir: Path = Path("models"),
    characters: Annotated[
        Path | None, typer.Option(help="Of examples/characters/glyphs.py.")
    ] = None,
    plans: Annotated[
        Path | None, typer.Option(help="Of examples/maps/floor_plans.py.")
    ] = None,
    emoji: Annotated[
        Path | None, typer.Option(help="Of examples/emoji/make_emoji.py.")
    ] = None,
    sprites: Annotated[
        Path | None, typer.Option(help="Of examples/sprites/make_sprites.py.")
    ] = None,
) -> None:
    """Draw them all; takes as long as a few samples of each model."""
    OUT.mkdir(parents=True, exist_ok=True)
    if characters:
        save(real_characters(characters), OUT / "characters.webp")
    if plans:
        save(real_plans(plans), OUT / "plans.webp")
    if emoji:
        save(real_emoji(emoji), OUT / "emoji.png")
    if sprites:
        save(real_sprites(sprites), OUT / "sprites.png")
    save(digits(), OUT / "digits.png")
    save(
        _beside(
            [scene(sky, draw) for sky, draw in zip(SKIES, SCENES, strict=True)]
        ).quantize(64),
        OUT / "scenes.webp",
    )
    for card in sorted(models_dir.glob("*/card.json")):
        save(samples(card.parent), OUT / f"model-{card.parent.name}.webp")


def digits() -> Image.Image:
    """The left column of the completions, one digit beside the other, black and white."""
    table = (
        Image.open(COMPLETIONS)
        .getchannel("B")
        .resize(
            (
                round(Image.open(COMPLETIONS).width / SCALE),
                round(Image.open(COMPLETIONS).height / SCALE),
            ),
            Image.Resampling.NEAREST,
        )
    )
    step = DIGIT_SIDE + 1
    cut = [table.crop((1, 1 + step * i, step, step * (i + 1))) for i in range(DIGITS)]
    return _beside(cut).point([0] * BLUE_CUT + [255] * (256 - BLUE_CUT)).convert("1")


def real_characters(path: Path) -> Image.Image:
    """CHARACTERS of the test split, none chosen by hand, in the order of their code points, which are printed."""
    with np.load(path) as data:
        test, codes = (
            data["test"],
            data["codes"][-len(data["test"]) :],
        )  # (N, 16, 16), (N,)
    chosen = np.random.default_rng(2016).choice(len(test), CHARACTERS, replace=False)
    chosen = chosen[np.argsort(codes[chosen])]
    typer.echo("".join(map(chr, codes[chosen])))
    return _beside([Image.fromarray(255 * test[one]).convert("1") for one in chosen])


def real_plans(path: Path) -> Image.Image:
    """PLANS of the test split, spread evenly."""
    with np.load(path) as data:
        test = data["test"]  # (N, 32, 32)
    return _beside(
        [
            Image.fromarray(255 * one).convert("1")
            for one in test[:: len(test) // PLANS][:PLANS]
        ]
    )


def real_emoji(path: Path) -> Image.Image:
    """The test images at EMOJI, of 16 values a colour."""
    with np.load(path) as data:
        test = data["test"]  # (N, 32, 32, 3)
    return _beside(
        [Image.fromarray(values_to_pixels(test[place], 16)) for place in EMOJI]
    )


def real_sprites(path: Path) -> Image.Image:
    """The test sprites at SPRITES, in their palette."""
    with np.load(path) as data:
        return indexed(
            np.concatenate(data["test"][list(SPRITES)], axis=1),
            tuple(map(str, data["palette"])),
        )


def samples(model: Path) -> Image.Image:
    """Images that the model draws, in a square: nine in black and white, four in colour, to keep the page small."""
    from model_core import load_model, sample

    loaded = load_model(str(model))
    is_binary = loaded.config.values == 2
    side = 3 if is_binary else 2
    drawn = pixels_of(
        sample(loaded, n=side * side, seed=2016).numpy(), loaded
    )  # (n, C, H, W)
    tiles = [Image.fromarray(one.transpose(1, 2, 0).squeeze()) for one in drawn]
    lines = [_beside(tiles[i : i + side]) for i in range(0, side * side, side)]
    square = Image.new(lines[0].mode, (lines[0].width, side * lines[0].height))
    for i, line in enumerate(lines):
        square.paste(line, (0, i * line.height))
    return square.convert("1") if is_binary else square


def scene(sky: tuple[int, int, int], draw: Callable[[Pen], None]) -> Image.Image:
    """A picture of SCENE_SIDE x SCENE_SIDE; `draw` works in units of the final pixel."""
    large = Image.new("RGB", (SCENE_SIDE * FINER, SCENE_SIDE * FINER), sky)
    draw(ImageDraw.Draw(large))
    return large.resize((SCENE_SIDE, SCENE_SIDE), Image.Resampling.BOX)


def _box(*units: float) -> list[float]:
    return [FINER * unit for unit in units]


def _boat(pen: Pen) -> None:
    pen.rectangle(_box(0, 42, 64, 64), (38, 92, 138))
    pen.ellipse(_box(44, 7, 56, 19), (255, 244, 190))
    pen.polygon(_box(30, 10, 30, 40, 12, 40), (250, 246, 236))
    pen.polygon(_box(32, 16, 32, 40, 46, 40), (226, 92, 70))
    pen.polygon(_box(9, 42, 50, 42, 44, 51, 15, 51), (120, 66, 42))


def _dunes(pen: Pen) -> None:
    pen.ellipse(_box(22, 14, 42, 34), (255, 236, 168))
    pen.ellipse(_box(-30, 30, 50, 90), (208, 122, 84))
    pen.ellipse(_box(14, 38, 100, 100), (166, 84, 72))


def _night(pen: Pen) -> None:
    for x, y in ((8, 9), (20, 20), (34, 7), (52, 26), (12, 32), (58, 9)):
        pen.ellipse(_box(x - 0.8, y - 0.8, x + 0.8, y + 0.8), (240, 236, 210))
    pen.ellipse(_box(38, 8, 52, 22), (250, 240, 200))
    pen.ellipse(_box(43, 6, 56, 19), (34, 40, 86))
    pen.polygon(_box(-4, 64, 20, 30, 44, 64), (22, 24, 50))
    pen.polygon(_box(24, 64, 46, 38, 70, 64), (14, 16, 36))


def _tree(pen: Pen) -> None:
    pen.rectangle(_box(0, 46, 64, 64), (112, 158, 84))
    pen.rectangle(_box(29, 34, 35, 54), (104, 72, 48))
    for x, y, r in ((32, 22, 14), (22, 28, 10), (42, 28, 10)):
        pen.ellipse(_box(x - r, y - r, x + r, y + r), (62, 118, 66))


def _house(pen: Pen) -> None:
    pen.rectangle(_box(0, 48, 64, 64), (150, 160, 96))
    pen.rectangle(_box(16, 28, 48, 54), (238, 232, 220))
    pen.polygon(_box(12, 30, 32, 10, 52, 30), (170, 70, 56))
    pen.rectangle(_box(28, 40, 36, 54), (92, 66, 54))
    for x in (19, 39):
        pen.rectangle(_box(x, 34, x + 6, 40), (96, 146, 182))


def _peaks(pen: Pen) -> None:
    pen.polygon(_box(-8, 56, 22, 12, 52, 56), (84, 92, 116))
    pen.polygon(_box(14, 24, 22, 12, 30, 24, 25, 22, 21, 27, 18, 22), (246, 248, 252))
    pen.polygon(_box(22, 56, 46, 22, 76, 56), (62, 70, 94))
    pen.rectangle(_box(0, 50, 64, 64), (52, 96, 116))


SCENES: tuple[Callable[[Pen], None], ...] = (
    _boat,
    _dunes,
    _night,
    _tree,
    _house,
    _peaks,
)


def _beside(tiles: list[Image.Image]) -> Image.Image:
    row = Image.new(tiles[0].mode, (sum(tile.width for tile in tiles), tiles[0].height))
    for i, tile in enumerate(tiles):
        row.paste(tile, (i * tile.width, 0))
    return row


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture as its ending says, small, and say so."""
    if path.suffix == ".webp":
        picture.save(path, lossless=picture.mode in ("1", "P"), quality=30, method=6)
    else:
        picture.save(path, optimize=True)
    typer.echo(path)


if __name__ == "__main__":
    typer.run(main)
