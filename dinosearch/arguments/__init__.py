"""What public verbs take: each argument is looked at once, here, before anything is done with it.

What kind of thing an argument is says its annotation, and how large it may be its name: both are tables (`kinds`,
`bounds`). An argument of another kind is a TypeError and one out of bounds a SettingError, in one sentence that says
what is allowed.
"""

from dinosearch.arguments.bounds import BOUNDS
from dinosearch.arguments.checking import checked, checked_fields, checked_verbs
from dinosearch.arguments.kinds import KINDS

__all__ = ["BOUNDS", "KINDS", "checked", "checked_fields", "checked_verbs"]
