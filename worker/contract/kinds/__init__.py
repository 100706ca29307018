"""The kinds of job there are. Each is one file here, and nothing else asks which kind a job is.

contract/kind.py says what a kind consists of. The API makes its call, its form, its result and its part of openapi.json
from the record; the workers find in it what builds its order and what carries that out. CONTRIBUTING says how to add
one, and `tests/worker/test_declared_kind.py` declares one of its own.
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
"""Kinds whose jobs ask a model. The key is the word in calls, jobs and cards."""

ALL_KINDS: Mapping[str, Kind] = ChainMap(
    {kind.word: kind for kind in (train.KIND, add.KIND)}, KINDS
)
"""These, and those that bring a model."""
