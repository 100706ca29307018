"""Picture files in and out."""

import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from model_core.config import preset
from model_core.data.images import (
    check_picture_place,
    read_exact_values,
    read_keep,
    read_part,
    read_values,
    save_picture,
    tile,
    write_grid,
)
from model_core.data.picture_files import converted_pictures
from model_core.errors import DataError
from tests.app.pictures import with_preview
from tests.archives import odd_exif


class _Facts(NamedTuple):
    """What the API asks of a model whose hole it cuts."""

    channels: int
    values: int
    height: int
    width: int
    parameters: int = 1000
    members: tuple[str, ...] = ("none",)


GREY = preset("mnist-pixelcnn").with_overrides(height=4, width=3)
COLOUR = GREY.with_overrides(channels=3, values=256)
TILES = GREY.with_overrides(values=3, categories=True)
TILE_COLOURS = ("#000000", "#ffffff", "#ff0000")


def test_a_picture_reads_back_when_written_for_the_same_network(tmp_path: Path) -> None:
    """Values to PNG to values is the identity, with and without colours."""
    random = np.random.default_rng(0)
    for config in (GREY, COLOUR):
        values = random.integers(0, config.values, (1, config.channels, 4, 3))
        write_grid(values, config, tmp_path / "one.png")
        assert (read_values(tmp_path / "one.png", config) == values[0]).all()


def test_a_grid_keeps_order_and_places_when_images_do_not_fill_it() -> None:
    """Row by row, a line of grey between; empty places are grey."""
    pixels = np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(4, 2).repeat(3, 3)
    table = tile(pixels)
    assert table.shape == (2 * 5 - 1, 3 * 4 - 1, 1)
    assert [table[0, x, 0] for x in (0, 4, 8)] == [0, 1, 2]
    assert [table[8, x, 0] for x in (0, 4, 8)] == [3, 4, 128]
    assert (table[4] == 128).all()


def test_a_picture_is_turned_whose_exif_pillow_cannot_write(tmp_path: Path) -> None:
    """Its description is a number, as no standard allows."""
    lying = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    Image.fromarray(lying).save(tmp_path / "lying.png", exif=odd_exif())
    network = GREY.with_overrides(values=256)
    values = read_values(tmp_path / "lying.png", network)
    assert (values == np.rot90(lying, -1)).all()
    assert (read_exact_values(tmp_path / "lying.png", network) == values).all()


def test_a_mask_is_white_where_it_fills(tmp_path: Path) -> None:
    """128 and more is to be filled, less is kept."""
    Image.fromarray(
        np.array([[0, 127, 128], [255, 0, 0], [0, 0, 0], [0, 0, 0]], np.uint8)
    ).save(tmp_path / "mask.png")
    keep = read_keep(tmp_path / "mask.png", GREY)
    assert keep[:2].tolist() == [[True, True, False], [False, True, True]]


def test_reading_is_refused_when_there_is_nothing_to_fill(tmp_path: Path) -> None:
    """A mask all black asks for nothing."""
    Image.new("L", (3, 4)).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match="nothing to fill"):
        read_keep(tmp_path / "mask.png", GREY)


def test_reading_is_refused_when_it_is_another_size_or_no_image(tmp_path: Path) -> None:
    """The sentence says what was expected."""
    Image.new("L", (5, 4)).save(tmp_path / "wide.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(DataError, match="5x4, but the model takes 3x4"):
        read_values(tmp_path / "wide.png", GREY)
    with pytest.raises(DataError, match="not an image"):
        read_values(tmp_path / "text.png", GREY)
    with pytest.raises(DataError, match="cannot read"):
        read_values(tmp_path / "missing.png", GREY)


def test_a_picture_is_stretched_as_the_service_does_when_it_may_be(
    tmp_path: Path,
) -> None:
    """By a box filter, transparency on black or on white; the hole of a mask, or of what is transparent, with it."""
    from app.imaging.arrays import Shape
    from app.imaging.decode import decode
    from app.imaging.given import PictureTerms, _with_a_hole

    random = np.random.default_rng(1)
    for name, shape in (("image.png", (8, 9, 4)), ("mask.png", (8, 9))):
        Image.fromarray(random.integers(0, 256, shape, np.uint8)).save(tmp_path / name)
    image, mask = tmp_path / "image.png", tmp_path / "mask.png"
    for config in (GREY, COLOUR):
        shape = Shape(config.height, config.width, config.channels, config.values)
        for hole in (mask, None):
            picture, painted = (
                decode(image.read_bytes(), "image"),
                hole and decode(hole.read_bytes(), "mask"),
            )
            theirs = _with_a_hole(
                picture.image,
                painted and painted.image,
                shape,
                PictureTerms(resize=True),
                _Facts(config.channels, config.values, config.height, config.width),  # type: ignore[arg-type]
            )
            values = (
                np.frombuffer(theirs.pixels, np.uint8)
                .reshape(4, 3, -1)
                .transpose(2, 0, 1)
            )
            keep = np.frombuffer(theirs.keep, np.uint8).reshape(4, 3) == 1
            assert (
                read_values(image, COLOUR, resize=True) == values
            ).all() or config is GREY
            assert (
                read_keep(hole or image, config, hole is None, resize=True) == keep
            ).all()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "PNG"), ("a.WEBP", "WEBP"), ("a.jpg", "JPEG"), ("a.jpeg", "JPEG")],
)
def test_a_picture_has_the_format_that_its_name_ends_in(
    tmp_path: Path, name: str, kind: str
) -> None:
    """Any other name is refused before anything is drawn. Only JPEG is not exact."""
    values = np.random.default_rng(2).integers(0, 256, (1, 3, 4, 3))
    write_grid(values, COLOUR, tmp_path / name)
    with Image.open(tmp_path / name) as picture:
        assert picture.format == kind
    assert kind == "JPEG" or (read_values(tmp_path / name, COLOUR) == values[0]).all()
    for wrong in ("a.txt", "a", f"{name}/b.png"):
        with pytest.raises(DataError, match="cannot write"):
            check_picture_place(tmp_path / wrong)


@pytest.mark.parametrize(
    ("name", "longest", "limit"),
    [("a.webp", 16_383, "16,383"), ("a.jpg", 65_500, "65,500")],
)
def test_a_picture_that_is_too_large_for_its_format_is_refused(
    tmp_path: Path, name: str, longest: int, limit: str
) -> None:
    """Wider or higher than the encoder takes by one pixel; the longest one is written."""
    out = tmp_path / name
    for size in ((longest + 1, 1), (1, longest + 1)):
        with pytest.raises(DataError, match=f"at most {limit} pixels a side"):
            save_picture(Image.new("L", size), out)
    assert not out.exists()
    save_picture(Image.new("L", (longest, 1)), out)
    with Image.open(out) as picture:
        assert picture.size == (longest, 1)


def test_a_picture_is_read_upright_as_the_service_does(tmp_path: Path) -> None:
    """A camera that was held on its side says so in the file, whatever is read of it."""
    from app.imaging.decode import decode

    upright = Image.fromarray(np.uint8([[0, 255, 255], [0] * 3, [0] * 3, [0] * 3]))
    exif = Image.Exif()
    exif[0x112] = 6  # to be turned by 90 degrees to the right
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    path = tmp_path / "lying.png"
    lying.save(path, exif=exif)
    assert decode(path.read_bytes(), "image").image.tobytes() == upright.tobytes()
    values = np.asarray(upright)[None] // 255
    assert (read_values(path, GREY) == values).all()
    assert (read_exact_values(path, GREY) == values).all()
    assert (read_keep(path, GREY) == (values[0] == 0)).all()
    lying.convert("LA").save(path, exif=exif)
    assert read_part(path, GREY) is None
    # The white pixels are transparent now.
    Image.merge("LA", (lying, lying.point(lambda grey: 255 - grey))).save(
        path, exif=exif
    )
    assert (read_part(path, GREY) == (values[0] == 0)).all()


def test_an_encoding_is_not_advised_to_resize(tmp_path: Path) -> None:
    """`encode` has no --fit: a resized picture would not come back as it is."""
    path = tmp_path / "large.png"
    Image.new("L", (5, 6)).save(path)
    expected = f"{path} is 5x6, but the model takes 3x4 pixels: give that size"
    with pytest.raises(DataError) as refused:
        read_exact_values(path, GREY)
    assert str(refused.value) == expected
    with pytest.raises(DataError) as refused:
        read_values(path, GREY)
    assert str(refused.value) == f"{expected}, or --fit resize"


@pytest.mark.parametrize("name", ["drawn.png", "dots.png"])
def test_facts_beside_the_pixels_do_not_matter_to_an_encoding(
    tmp_path: Path, name: str
) -> None:
    """Such as those that say how a sample was drawn, or dots per inch: decoding brings
    the pixels back."""
    values = np.arange(12).reshape(1, 4, 3) % 2
    text = PngImagePlugin.PngInfo()
    text.add_text("seed", "7")
    facts: dict[str, dict[str, Any]] = {
        "drawn.png": {"pnginfo": text},
        "dots.png": {"dpi": (72, 72)},
    }
    picture = Image.fromarray((values[0] * 255).astype(np.uint8))
    picture.save(tmp_path / name, **facts[name])
    assert (read_exact_values(tmp_path / name, GREY) == values).all()


@pytest.mark.parametrize("magic", [b"P6", b"P3"])
@pytest.mark.parametrize(
    ("largest", "is_exact"), [(15, True), (255, True), (256, False), (65535, False)]
)
def test_a_deep_ppm_is_not_encoded(
    tmp_path: Path, magic: bytes, largest: int, is_exact: bool
) -> None:
    """Pillow opens it as RGB of 8 bits, so the copy would have fewer colours."""
    path = tmp_path / "colours.ppm"
    numbers = np.arange(36) * largest // 35
    pixels = numbers.astype(">u2" if largest > 255 else "u1").tobytes()
    if magic == b"P3":
        pixels = " ".join(map(str, numbers)).encode()
    path.write_bytes(magic + b" 3 4 %d\n" % largest + pixels)
    if is_exact:
        read_exact_values(path, COLOUR)
        return
    with pytest.raises(DataError, match="would not come back as it is"):
        read_exact_values(path, COLOUR)


def test_a_deep_sgi_file_is_not_encoded(tmp_path: Path) -> None:
    """Pillow opens it as RGB of 8 bits, too."""
    path = tmp_path / "colours.sgi"
    # magic number, compression, bytes per colour, dimensions, width, height, colours
    header = struct.pack(">hBBHHHH", 474, 0, 2, 3, 3, 4, 3)
    path.write_bytes(header.ljust(512, b"\0") + bytes(range(72)))
    with pytest.raises(DataError, match="would not come back as it is"):
        read_exact_values(path, COLOUR)


@pytest.mark.parametrize("name", ["frames.gif", "frames.png", "frames.webp"])
def test_an_animated_picture_is_refused(tmp_path: Path, name: str) -> None:
    """Its first frame would be scored, completed or encoded alone. With `nearest`, too."""
    first, *others = (Image.new("RGB", (3, 4), name) for name in ("black", "red"))
    path = tmp_path / name
    first.save(path, save_all=True, append_images=others, lossless=True)
    reads = (
        lambda: read_exact_values(path, TILES, TILE_COLOURS),
        lambda: read_exact_values(path, TILES, TILE_COLOURS, nearest=True),
        lambda: read_values(path, COLOUR),
        lambda: read_keep(path, COLOUR),
    )
    for read in reads:
        with pytest.raises(DataError, match="has 2 frames: expected a single picture"):
            read()
    first.save(path, lossless=True)
    assert (read_exact_values(path, TILES, TILE_COLOURS) == 0).all()


def test_a_deep_picture_of_a_palette_is_not_encoded(tmp_path: Path) -> None:
    """Its upper 8 bits may be a colour of the palette, as the service knows."""
    path = tmp_path / "deep.ppm"
    path.write_bytes(b"P6 3 4 65535\n" + bytes(72))
    with pytest.raises(DataError, match="would not come back as it is"):
        read_exact_values(path, TILES, TILE_COLOURS)


def test_a_photograph_with_a_preview_is_encoded(tmp_path: Path) -> None:
    """The preview is no frame of an animation: the service takes such files, too."""
    path = tmp_path / "photograph.jpg"
    path.write_bytes(with_preview(Image.new("RGB", (3, 4), "red")))
    values = read_exact_values(path, COLOUR)
    assert (values == read_values(path, COLOUR)).all()


def test_an_opaque_picture_is_not_converted_whatever_its_file_says(
    tmp_path: Path,
) -> None:
    """Dots per inch are no colour; a pixel that is half transparent is converted."""
    for name, opacity in (("opaque.png", 255), ("half.png", 128)):
        picture = Image.new("RGBA", (3, 4), (1, 2, 3, opacity))
        picture.save(tmp_path / name, dpi=(72, 72))
    assert converted_pictures(tmp_path, ["opaque.png"], COLOUR) == 0
    assert converted_pictures(tmp_path, ["half.png"], COLOUR) == 1
