"""What is read of a coded file's beginning is what the codec writes."""

import pytest

from model_core.codec.container import HEADER_BYTES, Header
from model_core.errors import DataError
from worker.contract.coded_file import CodedFile, CodedFileError

HEADER = Header("ab" * 32, "rotate_180", 7, bytes(range(8)))
DATA = HEADER.pack() + b"stripes"


def test_header_is_read_as_it_was_written() -> None:
    """By both readers."""
    assert CodedFile.of(DATA) == CodedFile(HEADER.sha256, HEADER.images)
    assert Header.unpack(DATA) == HEADER


@pytest.mark.parametrize("at", range(HEADER_BYTES))
def test_header_is_refused_where_the_codec_refuses_it(at: int) -> None:
    """Each byte of it changed, and the file cut off there."""
    for spoilt in (DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :], DATA[:at]):
        with pytest.raises(DataError):
            Header.unpack(spoilt)
        with pytest.raises(CodedFileError):
            CodedFile.of(spoilt)
