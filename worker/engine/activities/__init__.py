"""The activities that take turns in the engine's thread: drawing, images by particles, passes, files. One file each."""
