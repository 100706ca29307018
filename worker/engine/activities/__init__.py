"""The activities that take turns in the drawing thread, one file each: images in slots,
images by particles, passes, and coded files."""
