"""What scripts/mutation_tests.py is made of: mutants, and the bench that tries them."""
