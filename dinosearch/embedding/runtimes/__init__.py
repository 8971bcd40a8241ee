"""Embedding on a processor, without torch: exported graphs and the programs that run them."""
