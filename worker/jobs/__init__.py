"""The life of the jobs that this worker holds: opened, published, canceled, settled.
Knows Redis, and nothing of RQ."""
