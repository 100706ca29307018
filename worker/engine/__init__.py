"""The engine process: the models, and the thread that draws. The only part of the
worker that may import torch."""
