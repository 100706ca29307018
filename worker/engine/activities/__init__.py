"""The activities that take turns in the engine's thread, one file each: drawing in
slots, images by particles, passes, and coded files."""
