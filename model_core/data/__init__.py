"""Image collections: files a person names, turned into values; and values turned into pictures."""

from model_core.data.datasets import Dataset, open_dataset, read_dataset
from model_core.data.options import ReadOptions

__all__ = ["Dataset", "ReadOptions", "open_dataset", "read_dataset"]
