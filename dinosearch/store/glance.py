"""A first look at a metadata store that loads no SQLAlchemy, checks nothing and promises nothing: for good guesses."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from dinosearch.records import Fingerprint


def fingerprint_at(path: Path) -> Fingerprint | None:
    """What the vectors of images in the store at that path were made with; None where that is not easily seen."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=0.1)) as connection:
            row = connection.execute("SELECT fingerprint FROM generations WHERE kind = 'images' AND current").fetchone()
        return Fingerprint.from_dict(json.loads(row[0])) if row else None
    except (sqlite3.Error, OSError, ValueError, TypeError, KeyError):
        return None
