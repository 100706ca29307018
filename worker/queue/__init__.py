"""RQ, adapted to a worker that holds many jobs at once. Only this package of the worker
may import rq."""
