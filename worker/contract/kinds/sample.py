"""New images."""

from worker.contract.kind import Input, Kind, SeededOptions, Source


class SampleOptions(SeededOptions):
    """Draw new images."""


KIND = Kind(
    "sample",
    "sample",
    "Draw `n` new images: answers at once with a queued job; follow `links.events` or poll `links.self`.",
    Input.NOTHING,
    SampleOptions,
    order="worker.orders.kinds.sample:build",
    draws=True,
    draws_small=True,
    why_no_provenance="",
    source=Source.DRAWN,
    example={"model": "mnist-diagonal-bilstm", "n": 4, "seed": 7},
)
