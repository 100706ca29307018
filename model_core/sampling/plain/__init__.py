"""Drawing in plain torch operations: the stage, its step, and what each kind of network
keeps between steps.

stage.py      the stage
step.py       one step of all its images
schedule.py   which pixels a step computes;  positions.py  a list of such pixels
stepper.py    one step of a network; each kind of network has a subclass in its file
shared.py     the parts of a step that all kinds share
ring.py       the last rows of maps;  weights.py  weights as matrices
"""
