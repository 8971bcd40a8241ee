"""From query vectors to a ranking, and from a first ranking to the answer; it reads no file and no image."""

from dinosearch.retrieval.combine import combine

__all__ = ["combine"]
