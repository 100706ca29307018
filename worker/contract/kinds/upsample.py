"""Large images from a small one."""

from worker.contract.kind import Input, Kind, SeededOptions, Source
from worker.contract.labels import LabelOptions, Shown


class UpsampleOptions(LabelOptions, SeededOptions):
    """Draw large images from a small one."""


KIND = Kind(
    "upsample",
    "upsampling",
    """Draw `n` large images from a small one, which a Multi-Scale model takes as the first stage of its own.

    The large image is drawn given the small one, every pixel of it; it need not repeat its pixels.
    """,
    Input.SMALL_PICTURE,
    UpsampleOptions,
    order="worker.orders.kinds.upsample:build",
    draws=True,
    shown=Shown,
    why_no_provenance="this is an upsampling, and only samples can be verified: it depends on the small image that was "
    "given, which the picture does not hold",
    source=Source.EDITED,
)
