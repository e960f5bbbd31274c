"""Correctness shown by machine: every interleaving of small casts, and a real fleet."""
