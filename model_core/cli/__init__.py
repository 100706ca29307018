"""The offline command line: verbs.py declares the verbs, and the other files do what a
verb does."""
