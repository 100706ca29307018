"""The options, beside labels, that change the pixels of new images.

A sample's PNG contains them, and a verification reads them there.
"""

from worker.contract.size import FieldOptions


class SamplingOptions(FieldOptions):
    """Options of kinds that draw new images, or draw such an image again. At present
    this is only `size`."""
