"""Functions that make orders of jobs: one file for each kind that needs its own."""
