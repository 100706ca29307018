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

Words. A slot is the place of one image in a stage. A field is a picture that is taller
or wider than the network's images, drawn window by window. A weighed pixel is one,
given or drawn, whose ln p is added up. To hold an image is to stop it at a pixel; to
fork is to begin an image with a copy of another one's state.

Everything that draws may raise FloatingPointError if logits are not finite, and
torch.AcceleratorError or RuntimeError if a GPU fails. The first use of weights on a GPU
opens and checks it, which takes seconds. Weights that the compiled code reads must be
in main memory (`in_main_memory`), or TypeError is raised.
"""

from model_core.sampling.offline import sample, upsample

__all__ = ["sample", "upsample"]
