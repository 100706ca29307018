"""Measurements of a network: likelihood, what it believes, what it sees, how fast it draws."""
