"""Exact sampling: reference.py the slow truth, engine.py the fast path, noise.py and draw.py what both share."""

from model_core.sampling.offline import sample, upsample

__all__ = ["sample", "upsample"]
