"""Whether a file still is what was indexed, and may go; it changes nothing."""

from __future__ import annotations

import hashlib
import os
from datetime import timezone
from pathlib import Path

from dinosearch.analysis.duplicates.group import Member
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError
from dinosearch.home import sha256_file
from dinosearch.images import is_member, read_bytes


def stands(member: Member) -> str | None:
    """Why a file is not the one to keep any more; None when it is there with the content that was indexed."""
    try:
        if is_member(member.path):
            same = hashlib.sha256(read_bytes(member.path)).hexdigest() == member.sha256
        else:
            same = os.path.getsize(member.path) == member.size and sha256_file(Path(member.path)) == member.sha256
    except FileNotFoundError:
        return "is no longer there"
    except (OSError, ImageNotFoundError, ImageUnreadableError):
        return "cannot be read"
    return None if same else "has changed since it was indexed"


def obstacle(kept: Member, member: Member) -> str | None:
    """Why a file must not be moved; None when nothing speaks against it.

    Args:
        kept: the file of its group that stays; whether it stands was asked before, here only whether it is there.
        member: the file that is to go.
    """
    if is_member(member.path):
        return "it lies in an archive"
    if os.path.islink(member.path):
        return "it is a link"
    try:
        now = os.stat(member.path)
        if not is_member(kept.path) and os.path.samestat(now, os.stat(kept.path)):
            return "it is the file that is kept, by another name"
    except FileNotFoundError as error:
        return "it is no longer there" if error.filename == member.path else "what would be kept is no longer there"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    written = round(member.modified.astimezone(timezone.utc).timestamp() * 1e6)
    # Stores keep whole microseconds.
    if now.st_size != member.size or abs(now.st_mtime_ns // 1000 - written) > 1:
        return "it has changed since it was indexed"
    reason = stands(member)
    return reason and f"it {reason}"
