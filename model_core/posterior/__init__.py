"""Completion: fill the hole of a picture with draws from p(hole | given pixels) of a
model.

If no given pixel comes after the hole's first pixel in the order of drawing ("lies
behind it"), one draw is exact. Otherwise the draws are made with weighted particles.

completion.py    `complete`, all at once: start here
targets.py       what is completed: a model and the given pixels
enumeration.py   holes with few fillings: every filling is scored, exactly
islands.py       all other holes: the images of one completion, one after the other
accepting.py       by rejection, if one member of a mixture comes to the hole last
chain.py           else by two Markov chains for each image
mixture.py       a model as the chains see it: members, labels, guides
smc.py           one sweep: particles that are drawn through a hole side by side
island.py          their weights and resampling;  particles.py  what draws them
plan.py            where they are compared
receipt.py       how good the images are;  marginals.py  what is expected of each pixel
classify.py      the label of a picture

A member is one network of a mixture; a component is a member with one of its labels. A
particle is an unfinished image with a weight.
"""
