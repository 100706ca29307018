"""How much Redis memory a job still takes until it ends. It is reserved when the job is
accepted, so that the job can end even if the server is full.
`tests/worker/test_full_store.py` compares it with what is really written."""

from worker.contract.jobs import JobSpec

_RECORDS = 16 * 1024
"""Bytes of a job without rows: its record, its queue entry, RQ's own records of it, and
a stream, which takes at least 4 KiB."""
_ROW = 64
"""Bytes of a row beside its pixels: the JSON around them, and the stream's overhead."""


def rows_room(spec: JobSpec) -> int:
    """Return an upper bound for the bytes that all rows of a job take."""
    if not spec.rows_total:
        return 0
    image = spec.height * (_ROW + _encoded(spec.width * spec.channels))
    if spec.draws_small:
        small_row = _ROW + _encoded(spec.small_width * spec.channels)
        image += spec.small_height * small_row
    return _rounded_up(spec.n * image)


def room_of(spec: JobSpec) -> int:
    """Return an upper bound for the bytes that a job will still write once it has been
    accepted: records, rows and result."""
    return _RECORDS + rows_room(spec) + _rounded_up(spec.options.room(spec))


def input_room(input_bytes: int) -> int:
    """Return the bytes that a job's input takes, which is written when the job is
    accepted."""
    return _rounded_up(input_bytes)


def _rounded_up(size: int) -> int:
    """Return a size with a quarter added, because the server allocates in size
    classes."""
    return size * 5 // 4


def _encoded(size: int) -> int:
    """Return the length of so many bytes in base64."""
    return (size + 2) // 3 * 4
