"""Drawing with the block programs of model_core/blocks: on a GPU, one image by each
block of its threads.

stage.py       the stage
layout.py      weights, state and images in the order in which the programs read them
drivers.py     what runs a program: a card, or the CPU for tests
cards.py       the cards of this process, and what their checks found
card_check.py  the check that a card passes before it draws
"""
