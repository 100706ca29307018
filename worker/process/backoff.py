"""What does a worker do when Redis goes away? It waits a little longer after each failure, and loses nothing.

Every part that talks to Redis tries again by itself, because only it knows whether its command may be repeated
(redis_clients.py). Meanwhile the engine draws on:

    publisher      keeps the rows until they are confirmed; their numbers make a second try harmless
    finisher       keeps the ends
    taking         takes nothing more
    start          waits for the first answer, unless Redis refuses to let the worker in (contract/trouble.py)
    beginning      leaves the job to the recovery: its entry or its lease lapses in seconds
    cancellation   subscribes again in a second, then looks at all open jobs
    heartbeat      takes the next beat for the next try; after LEASE_S without one others may have the jobs
    recovery       takes its next turn for the next try

The first four wait by `Backoff`. A worker that stops tries once, and leaves the rest to its leases.
"""


class Backoff:
    """Seconds to wait before the next try: none after a success, then `first_s`, and twice as long after each failure,
    up to `most_s`."""

    def __init__(self, first_s: float = 0.05, most_s: float = 1.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self.wait_s = 0.0

    def failed(self) -> float:
        """Note a failure; returns how long to wait now."""
        self.wait_s = min(max(2 * self.wait_s, self._first_s), self._most_s)
        return self.wait_s

    def succeeded(self) -> None:
        self.wait_s = 0.0
