"""`python -m pixelrnn` is the same as `pixelrnn`."""

from pixelrnn.cli import main

main()
