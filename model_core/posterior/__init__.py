"""Completion: fill the hole of a picture with draws from p(hole | given pixels) of a
model.

If no given pixel comes after the hole's first pixel in the order of drawing ("lies
behind it"), one draw is exact. Otherwise the draws are made with weighted particles.

completion.py    `complete`, all at once: start here
targets.py       what is completed: a model and the given pixels
enumeration.py   holes with few fillings: every filling is scored, exactly
exact.py         mixtures, if no given pixel lies behind the hole for any member
islands.py       all other holes: the images of one completion, one after the other
accepting.py       by rejection, if one member of a mixture comes to the hole last
chain.py           else by two Markov chains for each image
mixture.py       a model as the chains see it: members, labels, guides
smc.py           one sweep: particles that are drawn through a hole side by side
island.py          their weights and resampling;  particles.py  what draws them
plan.py            where they are compared
receipt.py       how good the images are;  marginals.py  what is expected of each pixel
classify.py      the label of a picture

Words. A member is one network of a mixture; a component is a member with one of its
labels. A guide is a network that proposes images and does not change p; members and
guides together are proposers. A particle is an unfinished image with a weight. A sweep
draws several particles through a hole, side by side. A round of a chain draws every
part of the hole once more. Upright means not turned into a member's orientation. Nats
are -ln p. An effective sample size is the number of equally weighted particles that
would be worth as much.

Everything that draws or scores may raise ImpossibleError (island.py) if a network gives
the given pixels no probability, FloatingPointError if logits are not finite, and
torch.AcceleratorError or RuntimeError if a GPU fails; the first use of weights on a GPU
opens and checks it. Functions that work in steps are generators: they do nothing until
they are iterated. Nothing here works for Multi-Scale models, except `complete` with the
method `clamp` and `classify` of whole pictures.
"""
