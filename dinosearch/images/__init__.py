"""From files to prepared pixels: finding, reading, decoding, resizing; it knows nothing of models and stores.

Each name is imported when it is first asked for: a query has its image decoded in a child process, draws nothing, and
so does without Pillow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.images.decoding import decode, formats
    from dinosearch.images.digests import sha256_of
    from dinosearch.images.drawing.mosaic import Piece, Row, mosaic, write_mosaic
    from dinosearch.images.drawing.picture import thumbnail_jpeg
    from dinosearch.images.drawing.sheet import contact_sheet
    from dinosearch.images.drawing.thumbnails import thumbnail
    from dinosearch.images.finding.address import is_url
    from dinosearch.images.finding.find import scan
    from dinosearch.images.finding.read import read_bytes
    from dinosearch.images.finding.remote import fetch_image
    from dinosearch.images.finding.sniff import kind
    from dinosearch.images.finding.tar import is_archive, is_member, iter_members, read_member, scan_tar, split_member
    from dinosearch.images.jpeg_facts import describe
    from dinosearch.images.limits import MAX_PIXELS
    from dinosearch.images.lossless import encode_png
    from dinosearch.images.probes import probe_files
    from dinosearch.images.resizing import prepare, prepare_pixels, resize, stretch, upright
    from dinosearch.images.views import cut_out, drawn_on, painted_over, turned
    from dinosearch.images.workers.contained import decode_apart, prepare_apart
    from dinosearch.images.workers.pool import DecodePool
    from dinosearch.images.workers.start import start_ahead

__all__ = [
    "MAX_PIXELS",
    "DecodePool",
    "Piece",
    "Row",
    "contact_sheet",
    "cut_out",
    "decode",
    "decode_apart",
    "describe",
    "drawn_on",
    "encode_png",
    "fetch_image",
    "formats",
    "is_archive",
    "is_member",
    "is_url",
    "iter_members",
    "kind",
    "mosaic",
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
    "sha256_of",
    "split_member",
    "start_ahead",
    "stretch",
    "thumbnail",
    "thumbnail_jpeg",
    "turned",
    "upright",
    "write_mosaic",
]

__getattr__ = later(
    __name__,
    {
        "MAX_PIXELS": ".limits",
        "DecodePool": ".workers.pool",
        "contact_sheet": ".drawing.sheet",
        **dict.fromkeys(("decode", "formats"), ".decoding"),
        **dict.fromkeys(("decode_apart", "prepare_apart"), ".workers.contained"),
        "describe": ".jpeg_facts",
        **dict.fromkeys(("cut_out", "drawn_on", "painted_over", "turned"), ".views"),
        "encode_png": ".lossless",
        "fetch_image": ".finding.remote",
        **dict.fromkeys(
            ("is_archive", "is_member", "iter_members", "read_member", "scan_tar", "split_member"), ".finding.tar"
        ),
        "is_url": ".finding.address",
        "kind": ".finding.sniff",
        **dict.fromkeys(("Piece", "Row", "mosaic", "write_mosaic"), ".drawing.mosaic"),
        **dict.fromkeys(("prepare", "prepare_pixels", "resize", "stretch", "upright"), ".resizing"),
        "probe_files": ".probes",
        "read_bytes": ".finding.read",
        "scan": ".finding.find",
        "sha256_of": ".digests",
        "start_ahead": ".workers.start",
        "thumbnail": ".drawing.thumbnails",
        "thumbnail_jpeg": ".drawing.picture",
    },
)
