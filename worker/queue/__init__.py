"""RQ, bent to a worker that holds many jobs at once. The only part of the worker that may import rq."""
