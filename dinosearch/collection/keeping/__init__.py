"""A collection kept in order: described, checked, mended, emptied, and carried from one home to another."""
