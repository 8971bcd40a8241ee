"""How large a collection gets, what holds it, and what it takes to make it: arithmetic that is shown, and no input."""

from __future__ import annotations

from dinosearch.sizing.assumptions import ASSUMPTIONS
from dinosearch.sizing.place import Place
from dinosearch.sizing.planning import Plan, plan
from dinosearch.sizing.quantity import images_of, number_of, shown, size
from dinosearch.sizing.sheet import Assumption, Line

__all__ = ["ASSUMPTIONS", "Assumption", "Line", "Place", "Plan", "images_of", "number_of", "plan", "shown", "size"]
