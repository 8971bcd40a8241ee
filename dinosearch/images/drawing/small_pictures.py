"""Small copies of many images for one drawing: read, decoded in child processes and made small, some at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from PIL import Image

from dinosearch.capacity import cores
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError
from dinosearch.images.drawing.thumbnails import thumbnail
from dinosearch.images.finding.read import read_bytes
from dinosearch.images.workers.contained import decode_apart

Drawable = str | bytes | Image.Image | None
"""The path of an image or of a tar member, its encoded bytes, an upright picture, or nothing."""


def small_pictures(images: Iterable[Drawable], side: int) -> Iterator[Image.Image | None]:
    """RGB copies in order, the longer side at most `side` pixels; None for what is not there or cannot be read.

    Some more images than there are cores are worked on at a time, in threads; decoders run in child processes.
    """
    with ThreadPoolExecutor(cores(), thread_name_prefix="dinosearch-drawing") as pool:
        waiting: deque[Future[Image.Image | None]] = deque()
        for image in images:
            waiting.append(pool.submit(small_picture, image, side))
            if len(waiting) > 2 * cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def small_picture(image: Drawable, side: int) -> Image.Image | None:
    """One of them."""
    name = image if isinstance(image, str) else "the image"
    try:
        if isinstance(image, str):
            image = read_bytes(image)
        if isinstance(image, bytes):
            image = decode_apart(image, name, hint=max(1, side // 2))[0]
    except (ImageNotFoundError, ImageUnreadableError):
        return None
    return image and thumbnail(image.convert("RGB"), side)
