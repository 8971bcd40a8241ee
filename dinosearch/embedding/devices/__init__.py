"""Embedding by torch: where it computes, and what it does on a GPU."""
