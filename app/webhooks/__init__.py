"""Telling a client's server that a job has ended: where to, signed how, and the call itself. Knows no jobs."""
