"""Start the command line: `python -m dinosearch`, and the command `dinosearch`."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code."""
    from dinosearch.cli import run

    run()


if __name__ == "__main__":
    main()
