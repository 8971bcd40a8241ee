"""A collection on a server, used like one on this machine: `Client` has the verbs of `Collection`.

Apps switch by one line: `from dinosearch.client import Client as Collection`, and a URL in place of the folder.
"""

from dinosearch.client.client import Client

__all__ = ["Client"]
