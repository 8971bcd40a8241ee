"""A small deterministic ray caster of solid shapes, which draws the sample images and practice views for training.

It deliberately knows nothing of the search engine: it turns scene descriptions into arrays of pixels and nothing else.
"""
