"""Read the encoded bytes of one image from a plain file or a tar member; it decodes nothing."""

from __future__ import annotations

import os
import stat

from dinosearch.advice import run
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError

#: Largest file that is read, in bytes.
MAX_FILE = 1 << 30


def read_bytes(path: str) -> bytes:
    """Read an image file, or the member of a tar file that `ARCHIVE.tar::MEMBER` names.

    Raises:
        ImageNotFoundError: there is no such file or member.
        ImageUnreadableError: not a regular file, larger than `MAX_FILE`, or not readable.
    """
    if "::" in path:
        from dinosearch.images.finding.tar import is_member, read_member, split_member  # most files are no members

        if is_member(path) and os.path.isfile(split_member(path)[0]):
            return read_member(path)
    try:
        # O_NONBLOCK: opening a FIFO that nobody writes to must not wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ImageUnreadableError(path, "not a regular file")
            if status.st_size > MAX_FILE:
                raise ImageUnreadableError(path, f"{status.st_size / 1e9:.1f} GB, the limit is {MAX_FILE / 1e9:.1f} GB")
            # No more is asked for than there is: Python takes the memory before it reads.
            data = file.read(status.st_size + 1)
        if len(data) != status.st_size:
            raise ImageUnreadableError(path, "changed while it was read")
        return data
    except (FileNotFoundError, NotADirectoryError):
        raise ImageNotFoundError(
            f"{path}: no such file; check the path, or run `", run("index"), "` if it moved", is_gone=True
        ) from None
    except IsADirectoryError:
        raise ImageUnreadableError(path, "a folder, not an image") from None
    except ValueError:  # a NUL in the path
        raise ImageNotFoundError(f"{path!r}: not a possible path; check the spelling") from None
    except OSError as error:
        raise ImageUnreadableError(path, (error.strerror or type(error).__name__).lower()) from None
