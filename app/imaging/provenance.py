"""Reads the text of a drawn sample that a client uploads again: how it was drawn."""

import io

from PIL import Image

from app.errors import BadUploadError, NotVerifiableError
from app.imaging.decode import BOMB, BROKEN
from worker.contract.provenance import Provenance, ProvenanceError


def read_provenance(data: bytes) -> Provenance:
    """Return what the text of a PNG says about how it was drawn.

    Raises BadUploadError if the file is no readable PNG, and NotVerifiableError if it
    is not a sample of this project or shows several.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            text = {
                str(key): str(value)
                for key, value in image.info.items()
                if isinstance(value, str)
            }
    except (*BROKEN, *BOMB):
        raise BadUploadError(
            "the image is not a readable PNG file: expected a sample as it was written"
        ) from None
    try:
        provenance = Provenance.of(text)
    except ProvenanceError as error:
        raise NotVerifiableError(str(error)) from None
    if provenance.samples != 1:
        raise NotVerifiableError(
            "the picture shows several samples: "
            "expected one, such as /jobs/{id}/image?sample=0"
        )
    return provenance
