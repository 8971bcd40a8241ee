"""Where a collection lives: a folder of this machine, or an engine with a metadata store beside it."""
