"""Drawing images from a model, exactly: every drawn value is a draw from the
probabilities that the teacher-forced pass gives.

offline.py           draws images in one call, without a server: start here
engine.py            draws many images of a model side by side, for a worker
request_drawing.py   what a stage draws for a request
drawings.py          the images on a stage: those taller than the model's, given rows
                     that several share
stage.py             what a stage is: one network drawing in numbered slots
stages.py            chooses the stage of a network: blocks/ (GPU), compiled/ or plain.py

tests/model_core/reference.py is the slow definition that all of this equals.
"""

from model_core.sampling.offline import sample, upsample

__all__ = ["sample", "upsample"]
