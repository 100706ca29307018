"""What decoding a picture takes, and that saving memory changes no pixel."""

import io
import random
import threading

import pytest
from PIL import Image, ImageOps

from app.errors import UnusableImageError
from app.imaging import decode as decoding
from app.imaging.decode import MAX_PIXELS, decode, decoded_size, one_large_at_a_time
from app.imaging.given import opaque
from tests.app.pictures import chunk, raw_png
from tests.archives import npy, odd_exif, picture


def noise(mode: str, width: int, height: int) -> Image.Image:
    rng = random.Random(1)
    image = Image.new(mode, (width, height))
    bands = len(image.getbands())
    return Image.frombytes(mode, image.size, rng.randbytes(width * height * bands))


def test_strips_are_as_opaque_as_the_whole(subtests: pytest.Subtests) -> None:
    """Whatever its height: pixel by pixel what Pillow makes of all of it."""
    for mode in ["L", "LA", "RGB", "RGBA"]:
        for channels in [1, 3]:
            for height in [1, 255, 256, 257, 600]:
                with subtests.test(mode=mode, channels=channels, height=height):
                    image = noise(mode, 7, height)
                    whole = image
                    if "A" in mode:
                        paper = (
                            (0, 0, 0, 255) if channels == 1 else (255, 255, 255, 255)
                        )
                        whole = Image.new("RGBA", image.size, paper)
                        whole = Image.alpha_composite(whole, image.convert("RGBA"))
                    whole = whole.convert("RGB").convert(
                        "L" if channels == 1 else "RGB"
                    )
                    found = opaque(image, channels)
                    assert (found.mode, found.size) == (whole.mode, whole.size)
                    assert found.tobytes() == whole.tobytes()


def test_pictures_are_turned_as_their_cameras_noted(subtests: pytest.Subtests) -> None:
    """In place, or as a copy: the same pixels."""
    for orientation in range(1, 9):
        for mode in ["L", "RGB", "RGBA"]:
            with subtests.test(mode=mode, orientation=orientation):
                exif = Image.Exif()
                exif[0x0112] = orientation
                file = io.BytesIO()
                noise(mode, 5, 3).save(file, "PNG", exif=exif)
                with Image.open(file) as image:
                    expected = ImageOps.exif_transpose(image)
                found = decode(file.getvalue(), "image").image
                assert (found.mode, found.size) == (mode, expected.size)
                assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_picture_is_turned_whose_exif_pillow_cannot_write(file_format: str) -> None:
    """Its description is a number, as no standard allows."""
    file = io.BytesIO()
    noise("RGB", 5, 3).save(file, file_format, exif=odd_exif())
    assert decode(file.getvalue(), "image").image.size == (3, 5)


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3)])
def test_transparent_colour_of_16_bits_is_refused(
    colour_type: int, channels: int
) -> None:
    """Of the pixels the upper 8 bits are left: 0x3400 would be the colour 0x1234."""
    line = b"\0" + b"\x12\x34" * channels + b"\x34\0" * channels
    transparent = chunk(b"tRNS", b"\x12\x34" * channels)
    deep = raw_png(2, 1, 16, colour_type, line, transparent)
    with pytest.raises(UnusableImageError, match="16 bits and a transparent colour"):
        decode(deep, "image")


def test_sizes_in_memory_are_known_by_headers() -> None:
    """Four bytes a pixel; of what is refused, and of arrays, their own bytes; at most
    those of a picture and a mask."""
    assert decoded_size([picture(30, 20), b"?", npy([1, 2])]) == 2400 + 1 + 144
    assert decoded_size([picture(9000, 9000)]) < 100_000
    large = picture(2048, 2048)
    assert decoded_size([large]) == 4 * MAX_PIXELS
    assert decoded_size([large] * 64) == 8 * MAX_PIXELS


def test_large_pictures_are_decoded_one_at_a_time() -> None:
    """Small ones do not wait for them."""
    with one_large_at_a_time(2**25):
        with one_large_at_a_time(2**10):
            pass
        waiting = threading.Thread(target=decode, args=(picture(2048, 2048), "image"))
        waiting.start()
        assert decode(picture(9, 9), "image").image.size == (9, 9)
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join(60)
    assert not waiting.is_alive()
    assert not decoding._large.locked()
