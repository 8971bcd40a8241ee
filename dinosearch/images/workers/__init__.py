"""Decoding in child processes, so that a file that crashes its decoder costs itself only."""
