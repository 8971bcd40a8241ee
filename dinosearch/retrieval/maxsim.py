"""MaxSim: how well each patch of one image finds a patch like it in another; it computes no tokens."""

from __future__ import annotations

import numpy as np


def maxsim(query: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Symmetric MaxSim, as ColBERT scores passages and Chamfer distance compares sets.

    s = (mean_i max_j q_i.a_j + mean_j max_i q_i.a_j) / 2: late interaction of Khattab and Zaharia 2020
    (arXiv:2004.12832) both ways, with the mean in place of the sum so that it is a cosine.

    Args:
        query: (p, d) float32 rows of unit length.
        answers: (m, r, d) float32, likewise.

    Returns:
        (m,) float32 in -1..1; not-a-number never, as long as the rows are finite.
    """
    if not len(answers):
        return np.empty(0, np.float32)
    count, rows, dimension = answers.shape
    # One product for all answers; (p, m * r) float32 is 20 MB for 100 answers of 256 patches and as many of the query.
    cosines = (query @ answers.reshape(-1, dimension).T).reshape(len(query), count, rows)
    forth, back = cosines.max(axis=2).mean(axis=0), cosines.max(axis=0).mean(axis=1)
    scores: np.ndarray = (forth + back) / 2
    return scores.astype(np.float32)
