"""The exceptions that readers raise for damaged or malicious files. None of the
libraries promises to raise only OSError."""

import lzma
import struct
import tokenize
import zlib
from zipfile import BadZipFile

from PIL import Image

PICTURE_ERRORS = (
    *(
        OSError,
        EOFError,
        SyntaxError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        IndexError,
        KeyError,
        MemoryError,
    ),
    *(struct.error, zlib.error, Image.DecompressionBombError),
)
"""Exceptions of Pillow's decoders."""

ARRAY_ERRORS = (
    *(
        OSError,
        EOFError,
        SyntaxError,
        ValueError,
        TypeError,
        OverflowError,
        LookupError,
        MemoryError,
        RecursionError,
    ),
    *(
        NotImplementedError,
        RuntimeError,
        struct.error,
        BadZipFile,
        zlib.error,
        lzma.LZMAError,
        tokenize.TokenError,
    ),
)
"""Exceptions of numpy and zipfile. An archive with a password raises RuntimeError."""
