"""The kinds of job. Each has one file here, and no other code asks which kind a job is.

contract/kind.py defines what a kind consists of. From its record the API makes the
call, form, result and part of openapi.json, and the workers take the functions that
build and run its order. CONTRIBUTING shows how to add a kind, and
`tests/worker/test_declared_kind.py` declares one.
"""

from collections import ChainMap
from collections.abc import Mapping

from worker.contract.kind import Kind
from worker.contract.kinds import (
    add,
    classify,
    complete,
    decode,
    encode,
    sample,
    score,
    train,
    upsample,
    verify,
)

KINDS: dict[str, Kind] = {
    kind.word: kind
    for kind in (
        sample.KIND,
        complete.KIND,
        upsample.KIND,
        score.KIND,
        verify.KIND,
        encode.KIND,
        decode.KIND,
        classify.KIND,
    )
}
"""The kinds whose jobs use a model, by the word that calls, jobs and cards have for
them."""

ALL_KINDS: Mapping[str, Kind] = ChainMap(
    {kind.word: kind for kind in (train.KIND, add.KIND)}, KINDS
)
"""These, and the kinds whose jobs make a model."""
