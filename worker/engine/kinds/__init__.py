"""Functions that carry out jobs which are not drawn in slots or by particles: one file for each kind."""
