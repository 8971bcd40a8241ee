"""Which model a collection uses, those that are open, and the change from one to another."""
