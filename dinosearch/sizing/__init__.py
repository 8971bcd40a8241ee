"""How large a collection gets, what holds it, and what it takes to make it: arithmetic that is shown, and no input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.sizing.assumptions import ASSUMPTIONS
    from dinosearch.sizing.place import Place
    from dinosearch.sizing.planning import Plan, plan
    from dinosearch.sizing.quantity import images_of, number_of, shown, size
    from dinosearch.sizing.sheet import Assumption, Line

__all__ = ["ASSUMPTIONS", "Assumption", "Line", "Place", "Plan", "images_of", "number_of", "plan", "shown", "size"]

__getattr__ = later(
    __name__,
    {
        "ASSUMPTIONS": ".assumptions",
        "Place": ".place",
        **dict.fromkeys(("Plan", "plan"), ".planning"),
        **dict.fromkeys(("images_of", "number_of", "shown", "size"), ".quantity"),
        **dict.fromkeys(("Assumption", "Line"), ".sheet"),
    },
)
