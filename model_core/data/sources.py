"""The data sets that can be downloaded, as listed in sources.toml: the addresses of
their files, and their licences."""

import os
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from model_core.errors import ConfigError, first_complaint

_SHIPPED = Path(__file__).with_name("sources.toml")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RemoteFile(_Strict):
    """A file to download. A tar archive is unpacked.

    urls: its addresses, which are tried in order.
    bytes: its length.
    sha256: its SHA-256, in hexadecimal.
    """

    urls: Annotated[tuple[str, ...], Field(min_length=1)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @property
    def name(self) -> str:
        """The last part of its first address, under which it is saved."""
        return self.urls[0].rpartition("/")[2]


class Source(_Strict):
    """A published data set.

    title: its name for people.
    page: address of its web page.
    licence: its licence in words.
    files: at least one.
    """

    title: str
    page: str
    licence: str
    files: Annotated[tuple[RemoteFile, ...], Field(min_length=1)]

    @property
    def bytes(self) -> int:
        """Bytes of all its files."""
        return sum(file.bytes for file in self.files)


Sources = dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], Source]
"""Name of a data set -> its source."""


def read_sources(path: Path | None = None) -> Sources:
    """Return the data sets in a list, by name.

    path: the file. Default: that in PIXELRNN_DATA_SOURCES, or else the shipped list.

    Raises ConfigError if the file cannot be read or is invalid.
    """
    path = path or Path(os.environ.get("PIXELRNN_DATA_SOURCES") or _SHIPPED)
    try:
        return TypeAdapter(Sources).validate_python(
            tomllib.loads(path.read_text(encoding="utf-8"))
        )
    except OSError as error:
        raise ConfigError(
            f"cannot read the list of data sets {path}: {error.strerror}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{path}: {first_complaint(error)}") from None
