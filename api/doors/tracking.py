"""Segment's messages as rows of ours. Pure.

A `track` is an outcome, or an exposure where it says that an experiment was viewed (`VIEWED`); a `page` or a `screen`
is an outcome of that name; an `identify` is the traits of a unit; a `group` is a membership and the traits of the
account. What cannot be read stays a row all the same, so that it is rejected with its reason like any other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from api.doors.bodies import BEGINNING
from kpi.ingest import Broken, Fault, Refused, is_text

Noun = Literal["exposures", "memberships", "outcomes", "traits"]
Said = Mapping[str, Any]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Number = Annotated[float, msgspec.Meta(ge=-1e100, le=1e100)]

MINUTE = timedelta(minutes=1)
UNSURE = 0.25
"""Minutes from where the rounding of a clock's fault changes, within which a retry might be rounded the other way."""
MOST_TRAITS = 100
"""Of one message, as many as a workspace has names for."""
MOST_ATTRIBUTES, LONGEST_NAME, LONGEST_TEXT = 50, 100, 500
"""What an exposure takes; a property beyond it is left out rather than that the exposure is lost."""
PERSONAL = frozenset({"address", "avatar", "birthday", "email", "firstName", "lastName", "name", "phone", "username"})
"""Segment's reserved traits that say who a person is: measuring needs none of them, so none is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewed:
    """Where an event of a neighbour names the experiment and the variant: the properties, the first that is there.

    `is_any_flag` of an event that is sent for every flag, most of which are no experiments: of these it is an outcome.
    """

    experiment: tuple[str, ...]
    variant: tuple[str, ...]
    is_any_flag: bool = False


IDS = Viewed(
    experiment=("experiment_id", "experimentId"), variant=("variation_id", "variationId", "variant_id", "variantId")
)
VIEWED: Mapping[str, Viewed] = {
    "Experiment Viewed": IDS,  # Segment's own specification, and GrowthBook's trackingCallback
    "experiment_viewed": IDS,  # the same as Google Analytics writes names
    "$feature_flag_called": Viewed(
        experiment=("$feature_flag",), variant=("$feature_flag_response",), is_any_flag=True
    ),  # PostHog
}
"""Frozen: what is added later may only be a new name, or rows that were outcomes become exposures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of ours, from the message at a place. `fields` as the door of its noun takes them.

    `also` is the time that an earlier sending may have been given. `instead` is the outcome that an exposure is where
    there is no such experiment.
    """

    line: int
    noun: Noun
    fields: Any
    also: datetime | None = None
    instead: Mapping[str, Any] | None = None

    @property
    def earlier(self) -> tuple[str, datetime] | None:
        """The id and the time that an earlier sending of this outcome may have; None where there can be no other."""
        event_id = self.fields.get("eventId") if self.noun == "outcomes" and self.also is not None else None
        return (event_id, self.also) if isinstance(event_id, str) and self.also is not None else None

    def as_outcome(self) -> "Row":
        """An exposure as the outcome that it is instead."""
        return replace(self, noun="outcomes", fields=self.instead, instead=None)

    def at(self, moment: datetime) -> "Row":
        """The outcome, at another time."""
        return replace(self, fields={**self.fields, "occurredAt": moment.isoformat()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message: what it says, the unit it is about, when it was, and when else an earlier sending may have said."""

    line: int
    kind: str
    said: Said
    unit: object
    at: object
    also: datetime | None

    def outcome(self, event: object, value: float | None = None) -> Row:
        """The message as an outcome."""
        fields = {"unit": self.unit, "event": event, "occurredAt": self.at}
        more = {"value": value, "eventId": _id(self.said.get("messageId")) or None}
        fields |= {name: found for name, found in more.items() if found is not None}
        return Row(line=self.line, noun="outcomes", fields=fields, also=self.also)


def rows_of(raw: bytes, *, line: int, kind: str | None, sent_at: object, received_at: datetime) -> list[Row]:
    """The rows of one message as it was sent, at its place in its batch; `kind` where the path says it."""
    try:
        said = msgspec.json.decode(raw)
        message = _message(said, line=line, kind=kind, sent_at=sent_at, received_at=received_at)
        return list(KINDS[message.kind](message))
    except (ValueError, RecursionError):
        return [_broken(raw, line, Fault.MALFORMED, "The message cannot be read: it is not JSON, or nested too deep.")]
    except Refused as fault:
        return [_broken(raw, line, fault.code, fault.message)]


def _message(said: object, *, line: int, kind: str | None, sent_at: object, received_at: datetime) -> Message:
    if not isinstance(said, dict):
        raise Refused(Fault.MALFORMED, "A message is a JSON object.", "row")
    named = kind or said.get("type")
    if not isinstance(named, str) or named not in KINDS:
        raise Refused(Fault.UNSUPPORTED, f"The type of a message is one of {', '.join(KINDS)}.", "row")
    at, also = _moment(said, sent_at, received_at)
    unit = _id(said.get("userId")) or _id(said.get("anonymousId"))
    return Message(line=line, kind=named, said=said, unit=unit, at=at, also=also)


def _broken(raw: bytes, line: int, code: Fault, message: str) -> Row:
    return Row(line=line, noun="outcomes", fields=Broken(beginning=raw[:BEGINNING], code=code, message=message))


def _tracked(message: Message) -> Iterator[Row]:
    event, properties = message.said.get("event"), _object(message.said.get("properties"))
    outcome = message.outcome(event, _value(properties))
    viewed = VIEWED.get(event) if isinstance(event, str) else None
    experiment = _first(properties, viewed.experiment) if viewed else None
    is_named = isinstance(experiment, str) and is_text(experiment)
    if viewed is None or (viewed.is_any_flag and not is_named):
        yield outcome
        return
    fields = {
        "experiment": experiment,
        "unit": message.unit,
        "variant": _first(properties, viewed.variant),
        "exposedAt": message.at,
        "attributes": _attributes(properties, viewed),
    }
    instead = outcome.fields if viewed.is_any_flag else None
    yield replace(outcome, noun="exposures", fields=fields, instead=instead)


def _seen(message: Message) -> Iterator[Row]:
    """Pages and screens: names of events are a vocabulary, so which page it was is not part of it."""
    yield message.outcome(message.kind)


def _identified(message: Message) -> Iterator[Row]:
    """The traits of a unit; RudderStack's libraries put them into the context."""
    context = _object(message.said.get("context"))
    yield from _traits(message, message.unit, message.said.get("traits") or context.get("traits"))


def _grouped(message: Message) -> Iterator[Row]:
    account = _id(message.said.get("groupId"))
    if not account:  # without an account the row would say that the member has left
        raise Refused(Fault.MALFORMED, "A group message names its groupId.", "row")
    fields = {"member": message.unit, "account": account, "sinceAt": message.at}
    yield Row(line=message.line, noun="memberships", fields=fields)
    yield from _traits(message, account, message.said.get("traits"))


def _refused(_message: Message) -> Iterator[Row]:
    sentence = "Two ids are not made one unit: send what a unit does under one id, before and after it signs up."
    raise Refused(Fault.UNSUPPORTED, sentence, "row")


KINDS: Mapping[str, Callable[[Message], Iterator[Row]]] = {
    "track": _tracked,
    "identify": _identified,
    "page": _seen,
    "screen": _seen,
    "group": _grouped,
    "alias": _refused,
}


def _traits(message: Message, unit: object, traits: object) -> Iterator[Row]:
    flat = [(name, value) for name, value in _flat(_object(traits)) if name.partition(".")[0] not in PERSONAL]
    if len(flat) > MOST_TRAITS:
        raise Refused(Fault.TOO_MANY_TRAITS, f"A message has at most {MOST_TRAITS} traits.", "row")
    for name, value in flat:
        known = None if value == "" else value  # an empty text is how forms say that nothing is known any more
        fields = {"unit": unit, "name": name, "value": known, "sinceAt": message.at}
        yield Row(line=message.line, noun="traits", fields=fields)


def _flat(traits: Said, before: str = "") -> Iterator[tuple[str, object]]:
    """Traits by name, those inside an object as `company.plan`; lists are none."""
    for name, value in traits.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        elif not isinstance(value, list):
            yield f"{before}{name}", value


def _attributes(properties: Said, viewed: Viewed) -> dict[str, Any]:
    """What else is said with an exposure, as far as it can be an attribute."""
    kept = {
        name: value
        for name, value in properties.items()
        if name not in (*viewed.experiment, *viewed.variant)
        and len(name) <= LONGEST_NAME
        and (isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= LONGEST_TEXT))
    }
    return dict(list(kept.items())[:MOST_ATTRIBUTES])


def _value(properties: Said) -> float | None:
    """The number of a track: its `value`, else its `revenue`; a text that is a number is one."""
    for name in ("value", "revenue"):
        if not isinstance(properties.get(name), bool):
            try:
                return msgspec.convert(properties.get(name), Number, strict=False)
            except msgspec.ValidationError:
                continue
    return None


def _moment(said: Said, sent_at: object, received_at: datetime) -> tuple[object, datetime | None]:
    """When a message was by our clock: receivedAt - (sentAt - originalTimestamp), the difference in whole minutes.

    In whole minutes, for the way of each sending takes its own while, and a retry must not be given another time. Where
    it might be, that other time is told as well. A message that somebody has passed on says when it was received: its
    time was set right then.
    """
    told = said.get("originalTimestamp") or said.get("timestamp")
    if told is None:
        return received_at.isoformat(), None
    if "receivedAt" in said:
        return said.get("timestamp") or told, None
    original, sent = _time(told), _time(said.get("sentAt") or sent_at)
    if original is None or sent is None:
        return told, None
    late = (received_at - sent) / MINUTE
    minutes = round(late)
    other = minutes + (1 if late > minutes else -1)
    try:
        also = original + other * MINUTE if abs(late - minutes) > UNSURE else None
        return (original + minutes * MINUTE).isoformat() if minutes else told, also
    except OverflowError:
        return told, None


def _time(told: object) -> datetime | None:
    try:
        return msgspec.convert(told, Moment)
    except msgspec.ValidationError:
        return None


def _first(properties: Said, names: tuple[str, ...]) -> object:
    return next((_text(properties[name]) for name in names if properties.get(name) is not None), None)


def _id(value: object) -> object:
    """An id as text, numbers too. Anything else stays what it is, to be rejected."""
    return value if isinstance(value, bool) else _text(value)


def _text(value: object) -> object:
    """A name as text: numbers and booleans as JSON writes them. Anything else stays what it is, to be rejected."""
    return msgspec.json.encode(value).decode() if isinstance(value, bool | int | float) else value


def _object(value: object) -> Said:
    return value if isinstance(value, dict) else {}
