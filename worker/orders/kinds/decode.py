"""Orders for decoding a file, whose pictures are the job's images."""

from worker.contract.cards import ModelCard
from worker.contract.coded_file import CodedFile
from worker.contract.jobs import JobSpec
from worker.orders.files import FileOrder
from worker.orders.images import rows_published
from worker.orders.order import Material


def build(spec: JobSpec, card: ModelCard, material: Material) -> FileOrder:
    """Return the order for decoding a file. Raises ValueError if it is not a valid
    file, or contains another number of pictures than the job."""
    images = CodedFile.of(material.pixels).images
    if images != spec.n:
        raise ValueError(f"the file holds {images} pictures: expected {spec.n}")
    published = rows_published(spec, material.rows)
    return FileOrder(
        material.claim, spec.model, spec.kind, material.pixels, card.levels, published
    )
