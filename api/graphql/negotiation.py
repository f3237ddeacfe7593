"""Media types of `/graphql`: what a body may be, and in which form whoever asks wants the answer."""

from enum import StrEnum
from itertools import count


class Media(StrEnum):
    """The forms of an answer, those that come first being preferred where whoever asks has no preference."""

    JSON = "application/json"
    GRAPHQL = "application/graphql-response+json"
    EVENTS = "text/event-stream"


UTF_8 = {"", "utf-8", "utf8"}
MOST_RANGES = 32
"""What an Accept header names beyond so many is not looked at."""


def is_json(content_type: str) -> bool:
    """Whether a body says that it is JSON in UTF-8, as JSON is unless it says so too."""
    media, _, parameters = content_type.partition(";")
    charsets = [value for name, value in _parameters(parameters) if name == "charset"]
    return media.strip().lower() == Media.JSON and set(charsets) <= UTF_8


def accepted(accept: str) -> list[Media]:
    """The forms that an Accept header takes, the one it likes best first; none where it takes no form of ours.

    A form that is named counts as it is named, whatever `*/*` beside it says (RFC 9110, 12.5.1).
    """
    if not accept.strip():
        return [Media.JSON]
    ranges = [_range(text) for text in accept.split(",")[:MOST_RANGES]]
    places = count()
    liked: list[tuple[float, int, Media]] = []
    for name, quality in ranges:
        liked += [(-quality, next(places), media) for media in _meant(name, {name for name, _ in ranges})]
    return list(dict.fromkeys(media for quality, _, media in sorted(liked) if quality < 0))


def _meant(name: str, named: set[str]) -> list[Media]:
    """The forms that a range stands for and that are not named by themselves; a stream is only had by its name."""
    if name in {"*/*", "application/*"}:
        return [media for media in (Media.JSON, Media.GRAPHQL) if media not in named]
    return [Media(name)] if name in {*Media} else []


def _range(text: str) -> tuple[str, float]:
    name, _, parameters = text.partition(";")
    weights = [value for key, value in _parameters(parameters) if key == "q"]
    return name.strip().lower(), _quality(weights[0]) if weights else 1.0


def _quality(text: str) -> float:
    is_number = text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit()
    return min(float(text[:5]), 1.0) if is_number else 1.0


def _parameters(text: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in text.split(";"))
    return [(name.strip().lower(), value.strip().strip('"').lower()) for name, _, value in pairs]
