"""The offline command line: verbs.py declares the verbs, the others do what a verb asks for."""
