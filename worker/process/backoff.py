"""How a worker reacts when Redis does not respond: it waits a little longer after each
failure, and loses nothing.

Each part that uses Redis repeats its own commands, because only the part knows whether
that is safe (redis_clients.py). Meanwhile the engine process goes on drawing.

    publisher      keeps rows until they are confirmed; their numbers make repeating safe
    finisher       keeps the ends of jobs
    taking         takes no more jobs
    start          waits for the first reply, unless Redis refuses to let the worker in
                   (contract/trouble.py)
    beginning      leaves the job to the recovery: its entry or lease expires in seconds
    cancellation   subscribes again after a second, then checks all open jobs
    heartbeat      tries again at its next beat; after LEASE_S without one, other workers
                   may take the jobs
    recovery       tries again in its next pass

The first four wait by `Backoff`. A worker that stops tries once, and leaves the rest to
its leases.
"""


class Backoff:
    """The wait before the next try: 0 after a success, `first_s` seconds after a
    failure, and twice as long after each further one, up to `most_s`."""

    def __init__(self, first_s: float = 0.05, most_s: float = 1.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self.wait_s = 0.0

    def failed(self) -> float:
        """Note a failure. Return the seconds to wait now, which are also in `wait_s`."""
        self.wait_s = min(max(2 * self.wait_s, self._first_s), self._most_s)
        return self.wait_s

    def succeeded(self) -> None:
        """Forget earlier failures: the next one waits as briefly as the first."""
        self.wait_s = 0.0
