"""A lossless codec of images: a model's probabilities, spent as bits. docs/codec.md tells the whole of it.

    codec.py      images to a file's bytes and back
    container.py  the bytes: what a file says of itself, stripes, checksums; knows no model
    lanes.py      many images through one network, side by side, each lane one stream of bits
    canary.py     does this machine compute what the one did that encoded?

What is wrong with a file is found before a value of it is given out.
"""
