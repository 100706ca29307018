"""How much memory of Redis a job takes before it has ended: reserved when it is accepted, so that it can end also when
the server is full. `tests/worker/test_full_store.py` holds it to what is really written.
"""

from worker.contract.jobs import JobSpec
from worker.contract.kinds import KINDS, Method
from worker.contract.scores import CompletionSummary, EncodeSummary, ScoreSummary, VerifySummary

_RECORDS = 16 * 1024
"""Of a job without rows: its record, its queue entry, RQ's books of it, and a stream, which is 4 KiB at the least."""
_ROW = 64
"""Of a row beside its pixels: the text around them, and what the stream adds."""
_NUMBERS = {ScoreSummary: 24 * 1024, CompletionSummary: 1024, VerifySummary: 2 * 1024, EncodeSummary: 1024}
"""Of a result, where they do not grow with the picture. They are kept twice, in the record and in the last event. Those
of a score may say what is expected of one pixel, for each of its values."""
_MAPS = 8
"""Bytes of each variable, in the maps of a score or of a completion by `posterior`."""
_INFLUENCE = 28
"""Of each pixel, in the influence on one: a number as text, twice."""
_CODED = 3
"""Bytes of each variable in a file of coded images, when the model gives none of them any probability: the coder spends
24 bits then, and no more."""
_PER_SAMPLE = 40
"""Its likelihood as text, twice."""


def rows_room(spec: JobSpec) -> int:
    """Bytes that its rows take; rather too many than too few."""
    if not spec.rows_total:
        return 0
    C, rows = spec.channels, spec.height * (_ROW + _encoded(spec.width * spec.channels))
    if spec.draws_small:
        rows += spec.small_height * (_ROW + _encoded(spec.small_width * C))
    return _rounded_up(spec.n * rows)


def room_of(spec: JobSpec, input_bytes: int) -> int:
    """Bytes that all of it takes; input_bytes: of the pictures that came with it."""
    return _RECORDS + rows_room(spec) + _rounded_up(_result_room(spec) + input_bytes)


def _result_room(spec: JobSpec) -> int:
    """Bytes of what the job says beside its rows."""
    result = KINDS[spec.kind].result
    if result is None:
        return 0
    has_maps = result is ScoreSummary or spec.method is Method.POSTERIOR
    variables = spec.height * spec.width * spec.channels
    maps = _MAPS * variables if has_maps else 0
    influence = _INFLUENCE * spec.height * spec.width if spec.influence else 0
    file = spec.n * _CODED * variables if result is EncodeSummary else 0
    return _NUMBERS[result] + maps + influence + file + _PER_SAMPLE * spec.n


def _rounded_up(size: int) -> int:
    """As the server does with what it allocates."""
    return size * 5 // 4


def _encoded(size: int) -> int:
    """In base64."""
    return (size + 2) // 3 * 4
