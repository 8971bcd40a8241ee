"""One thread for the small matrix products of the stages; the count is kept with that of the searches."""

from dinosearch.vectors.threads import one_thread

__all__ = ["one_thread"]
