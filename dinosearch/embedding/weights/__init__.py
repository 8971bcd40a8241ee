"""Weight files: where they lie, how they are fetched, and how their tensors become a model."""
