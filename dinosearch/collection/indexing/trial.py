"""Whether the files of an index run are decoded where the model computes: where that is asked for, after a trial.

It is not done unasked: whether a device or the processor's cores decode faster depends on both, and no figures of a
device have been taken (`scripts/bench_gpu.py` takes them). What is expected: a device wins where few cores are beside
it, as each decodes about 85 photos of 2 megapixels a second (performance.md, section B), and with a small model.
"""

from __future__ import annotations

import logging
import os

import numpy as np

from dinosearch.embedding.probe import agreement, probe_images
from dinosearch.images import decode, probe_files, resize
from dinosearch.protocols import Embedder, EncodedEmbedder
from dinosearch.records import AGREEMENT

_logger = logging.getLogger(__name__)


def chosen(embedder: Embedder) -> EncodedEmbedder | None:
    """The embedder, where it is to be given files; None, with the reason in the log where that was asked for."""
    if os.environ.get("DINOSEARCH_DECODE") != "gpu":
        return None
    if isinstance(embedder, EncodedEmbedder):
        reason = refusal(embedder)
        if reason is None:
            return embedder
    else:
        reason = "the model does not run by torch"
    _logger.warning("decoding on the processor in spite of DINOSEARCH_DECODE=gpu: %s", reason)
    return None


def refusal(embedder: EncodedEmbedder) -> str | None:
    """Why files must not be handed to an embedder; None where they may.

    Its vectors of eight fixed files are held against those of the same files decoded here in full: that is what vectors
    are compared with, and the reduced scale of the decode pool is another departure from it. What the decoder changes
    and what the number format changes add up, and must not be more than what families may differ by.
    """
    files = probe_files(list(probe_images(embedder.patch_size)), embedder.preprocessing.size)
    found = {row: vector for row, vector in enumerate(embedder.embed_encoded(files)) if vector is not None}
    if not found:
        return f"nothing decodes JPEG there for {embedder.preprocessing} (torchvision is needed, and it pads nothing)"
    pictures = [decode(files[row], "a file of the trial")[0] for row in found]
    usual = embedder.embed([resize(picture, embedder.preprocessing, embedder.patch_size) for picture in pictures])
    agrees = agreement(np.stack(list(found.values())), usual) - (1 - embedder.fingerprint.agreement)
    return None if agrees >= AGREEMENT else f"vectors of what it decodes agree with Pillow's by {agrees:.6f} only"
