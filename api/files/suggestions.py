"""What a person probably meant by a name that is not there."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

LISTED = 40
"""Names that a sentence lists before it counts the rest."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or nothing when no known name is near; upper and lower case do not count."""
    names = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), names, n=1)
    return f" Did you mean {names[near[0]]!r}?" if near else ""


def listed(names: Sequence[str]) -> str:
    """Names for a sentence, the first LISTED of them."""
    rest = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + rest
