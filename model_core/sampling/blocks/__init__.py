"""Drawing with the block programs of model_core/blocks: on a GPU, one image by each
block of its threads.

stage.py       the stage
layout.py      weights, state and images in the order in which the programs read them
drivers.py     what runs a program: a GPU, or the CPU for tests
gpus.py       the GPUs of this process, and what their checks found
gpu_check.py  the check that a GPU passes before it draws
"""
