"""The command line: the only place that prints or exits. Each verb calls one method of `Collection`."""

from dinosearch.cli.app import cli, run

__all__ = ["cli", "run"]
