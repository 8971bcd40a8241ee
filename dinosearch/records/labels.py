"""What images are called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Label:
    """What one image is called.

    Attributes:
        image_id: the image.
        label: any text that is not empty.
        confidence: share of its neighbours' vote, 0..1; 1 where a person said it.
        given: whether a person said it; a vote never replaces it.
        made: when, UTC with zone.
    """

    image_id: int
    label: str
    confidence: float
    given: bool
    made: datetime
