"""From files to prepared pixels: finding, reading, decoding, resizing; it knows nothing of models and stores.

What only some verbs need is imported when it is first asked for: a query decodes one image and draws nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.images.decode import MAX_PIXELS, decode, formats
from dinosearch.images.read import read_bytes
from dinosearch.images.resize import prepare, prepare_pixels, resize, upright
from dinosearch.images.sniff import kind
from dinosearch.images.tar import is_archive, is_member, iter_members, read_member, scan_tar, split_member
from dinosearch.images.thumbnail import thumbnail
from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.images.contained import begin_apart, decode_apart, prepare_apart
    from dinosearch.images.find import scan
    from dinosearch.images.jpeg_facts import describe
    from dinosearch.images.picture import thumbnail_jpeg
    from dinosearch.images.pool import DecodePool
    from dinosearch.images.probes import probe_files
    from dinosearch.images.remote import fetch_image, is_url
    from dinosearch.images.sheet import contact_sheet
    from dinosearch.images.views import cut_out, drawn_on, painted_over, turned

__all__ = [
    "MAX_PIXELS",
    "DecodePool",
    "begin_apart",
    "contact_sheet",
    "cut_out",
    "decode",
    "decode_apart",
    "describe",
    "drawn_on",
    "fetch_image",
    "formats",
    "is_archive",
    "is_member",
    "is_url",
    "iter_members",
    "kind",
    "painted_over",
    "prepare",
    "prepare_apart",
    "prepare_pixels",
    "probe_files",
    "read_bytes",
    "read_member",
    "resize",
    "scan",
    "scan_tar",
    "split_member",
    "thumbnail",
    "thumbnail_jpeg",
    "turned",
    "upright",
]

__getattr__ = later(
    __name__,
    {
        "DecodePool": ".pool",
        "begin_apart": ".contained",
        "contact_sheet": ".sheet",
        "cut_out": ".views",
        "decode_apart": ".contained",
        "describe": ".jpeg_facts",
        "drawn_on": ".views",
        "fetch_image": ".remote",
        "is_url": ".remote",
        "painted_over": ".views",
        "prepare_apart": ".contained",
        "probe_files": ".probes",
        "scan": ".find",
        "thumbnail_jpeg": ".picture",
        "turned": ".views",
    },
)
