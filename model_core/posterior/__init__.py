"""Completion given everything that is given: exact where nothing given lies behind the hole, else by particles."""
