"""Exact sampling: engine.py is the fast path; tests/model_core/reference.py is the slow truth that it equals."""

from model_core.sampling.offline import sample, upsample

__all__ = ["sample", "upsample"]
