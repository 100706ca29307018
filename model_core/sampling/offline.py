"""Draw images here and now, without a server."""

from model_core.sampling.reference import reference_sample as sample
