"""Call a client's server when a job has ended: its address, the signature, and the call
itself. This package knows nothing of jobs."""
