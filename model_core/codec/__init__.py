"""A lossless codec of images, which turns a model's probabilities into bits.
docs/internals/codec.md describes all of it.

    codec.py      images to the bytes of a file and back
    container.py  the format of the file: header, stripes, checksums; knows no model
    lanes.py      many images through one network side by side; each lane writes one
                  stream of bits

A damaged or foreign file is rejected before any of its values is returned.
"""
