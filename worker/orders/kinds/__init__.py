"""Functions that make orders from jobs, one file for each kind that needs its own."""
