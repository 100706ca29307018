"""How much memory of Redis a job takes before it has ended: reserved when it is accepted, so that it can end also when
the server is full. `tests/worker/test_full_store.py` holds it to what is really written.
"""

from worker.contract.jobs import JobSpec

_RECORDS = 16 * 1024
"""Bytes of a job without rows: its record, its queue entry, RQ's books of it, and a stream, which is 4 KiB at the
least."""
_ROW = 64
"""Bytes of a row beside its pixels: the text around them, and what the stream adds."""


def rows_room(spec: JobSpec) -> int:
    """Bytes that its rows take; rather too many than too few."""
    if not spec.rows_total:
        return 0
    C, rows = spec.channels, spec.height * (_ROW + _encoded(spec.width * spec.channels))
    if spec.draws_small:
        rows += spec.small_height * (_ROW + _encoded(spec.small_width * C))
    return _rounded_up(spec.n * rows)


def room_of(spec: JobSpec) -> int:
    """Bytes that it will still write once it has been accepted."""
    return _RECORDS + rows_room(spec) + _rounded_up(spec.options.room(spec))


def input_room(input_bytes: int) -> int:
    """Bytes that its pictures take, which are written when it is accepted."""
    return _rounded_up(input_bytes)


def _rounded_up(size: int) -> int:
    """Sizes as the server allocates them."""
    return size * 5 // 4


def _encoded(size: int) -> int:
    """Length in base64."""
    return (size + 2) // 3 * 4
