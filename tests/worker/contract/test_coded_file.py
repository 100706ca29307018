"""What is read of a coded file's beginning is what the codec writes."""

from dataclasses import replace

import pytest

from model_core.codec.container import Header
from model_core.errors import DataError
from worker.contract.coded_file import CodedFile, CodedFileError

FIRST = Header("ab" * 32, "rotate_180", 7, bytes(range(8)))
SECOND = replace(FIRST, identity="cd" * 32)
OF_VERSION_1 = bytes.fromhex(
    "5058524e01000400000007" + 32 * "ab" + "0001020304050607" + "bbfcf2e1"
)
"""As version 1 wrote `FIRST`."""


@pytest.mark.parametrize("header", [FIRST, SECOND])
def test_header_is_read_as_it_was_written(header: Header) -> None:
    """By both readers, in both versions."""
    data = header.pack() + b"stripes"
    assert CodedFile.of(data) == CodedFile(
        header.sha256, header.images, header.identity
    )
    assert Header.unpack(data) == header
    assert (data[4], header.size) == (header.version, len(data) - len(b"stripes"))


def test_header_of_version_1_is_read_as_before() -> None:
    """It names the sha256 alone."""
    assert Header.unpack(OF_VERSION_1) == FIRST
    assert FIRST.pack() == OF_VERSION_1


def test_header_is_refused_where_the_codec_refuses_it(
    subtests: pytest.Subtests,
) -> None:
    """Each byte of it changed, and the file cut off there."""
    places = [(header, at) for header in (FIRST, SECOND) for at in range(header.size)]
    for header, at in places:
        with subtests.test(at=at):
            data = header.pack() + b"stripes"
            for spoilt in (
                data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
                data[:at],
            ):
                with pytest.raises(DataError):
                    Header.unpack(spoilt)
                with pytest.raises(CodedFileError):
                    CodedFile.of(spoilt)
