"""Start the command line: `python -m dinosearch`, and the command `dinosearch`."""

from __future__ import annotations

import gc

GARBAGE_AFTER = 100_000


def main() -> None:
    """Run the command line and exit with its code."""
    # Imports make some 100,000 objects that stay, and looking through them again and again for garbage, as is usual
    # after every 700 new ones, takes 30 ms of the first answer.
    gc.set_threshold(GARBAGE_AFTER)
    from dinosearch.cli import run

    run()


if __name__ == "__main__":
    main()
