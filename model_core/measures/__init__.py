"""Measurements of a network: its likelihood, what it expects, which pixels it uses, and
how fast it draws."""
