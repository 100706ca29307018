"""Drawing with compiled loops on a CPU: the stage, and the network's weights in the
order in which the loops read them.

stage.py         a stage on one thread;  threaded.py  on several
threads.py       the threads themselves
weights.py       a network's weights for the loops, kept while they are valid
kind.py          what each kind of network adds: its file here
layout.py, colour_order.py   how maps and weights are laid out
"""
