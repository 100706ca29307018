"""How much memory of Redis a job takes before it has ended: reserved when it is accepted, so that it can end also when
the server is full. `tests/worker/test_full_store.py` holds it to what is really written.
"""

from worker.contract.jobs import JobSpec
from worker.contract.kinds import KINDS

_RECORDS = 16 * 1024
"""Of a job without rows: its record, its queue entry, RQ's books of it, and a stream, which is 4 KiB at the least."""
_ROW = 64
"""Of a row beside its pixels: the text around them, and what the stream adds."""
_RESULT = 24 * 1024
"""Numbers of a result that do not grow with the picture: what is expected of one pixel, for each of its values."""
_MAPS = 8
"""Bytes of each variable, in the maps of a score or of a completion."""
_PER_SAMPLE = 32
"""Its likelihood as text."""


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
    variables = spec.height * spec.width * spec.channels
    has_result = KINDS[spec.kind].result is not None
    result = _RESULT + _MAPS * variables + _PER_SAMPLE * spec.n if has_result else 0
    return _RECORDS + rows_room(spec) + _rounded_up(result + input_bytes)


def _rounded_up(size: int) -> int:
    """As the server does with what it allocates."""
    return size * 5 // 4


def _encoded(size: int) -> int:
    """In base64."""
    return (size + 2) // 3 * 4
