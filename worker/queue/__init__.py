"""RQ, adapted to a worker that holds many jobs at once. Only this package of the worker
may import rq.

Methods that write to Redis raise RedisError if it does not respond, unless they say
otherwise. Each write is atomic: if one was lost, the recovery finds the job within
seconds.
"""
