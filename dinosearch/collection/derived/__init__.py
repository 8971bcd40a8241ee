"""What is computed from the vectors and tokens of a collection and kept beside them: parts, refinements, walks."""
