"""Parts of the training of the bundled model: photos, augmented crops, teacher, targets, student loss, optimiser.

Nothing here is imported by the package `dinosearch`; `scripts/train_mini.py` is the front door.
"""
