"""The data sets that can be fetched, which sources.toml lists: where their files are, and on what terms."""

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
    """A file by its addresses, tried in order, its length and its digest; a tar archive is unpacked."""

    urls: Annotated[tuple[str, ...], Field(min_length=1)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @property
    def name(self) -> str:
        return self.urls[0].rpartition("/")[2]


class Source(_Strict):
    """A data set as it is published."""

    title: str
    page: str
    licence: str
    files: Annotated[tuple[RemoteFile, ...], Field(min_length=1)]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


Sources = dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], Source]


def read_sources(path: Path | None = None) -> Sources:
    """Sources from `path`, else from PIXELRNN_DATA_SOURCES, else the shipped list. Raises ConfigError for a wrong
    file."""
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
