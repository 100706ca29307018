"""Drawing images from a model, exactly: every drawn value is a draw from the
probabilities that the teacher-forced pass gives.

offline.py       draws images in one call, without a server: start here
model_engine.py  draws many images of a model side by side; a mixture has several
                 networks
engine.py        the same for one network, which may consist of two (Multi-Scale)
windowed.py      pictures taller than the model's images, on a stage
prefill.py       given rows that several images share, computed once, on a stage
stage.py         what a stage is: one network drawing in numbered slots
stages.py        chooses the stage for a network: blocks/ (GPU), compiled/ or plain/

tests/model_core/reference.py is the slow definition that all of this equals.
"""

from model_core.sampling.offline import sample, upsample

__all__ = ["sample", "upsample"]
