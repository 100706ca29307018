"""The options that change the pixels of new images, beside their labels.

A sample's PNG says them, and a verification reads them there.
"""

from worker.contract.size import FieldOptions


class SamplingOptions(FieldOptions):
    """Options of kinds that draw new images, or draw such an image again."""
