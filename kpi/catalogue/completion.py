"""From what somebody says of a KPI to all that registering it takes: the catalogue says the rest, if it is asked.

What is given wins. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kpi import kinds
from kpi.catalogue import Template, absent, templates
from kpi.enums import Driver, Frequency, Tier, Unit
from kpi.errors import Problem, bad
from kpi.kinds import Composite, Kind
from kpi.wire import camel
from kpi.wording import Path, near

REQUIRED = ("key", "name", "direction", "owner", "definition")
USUAL: Mapping[str, Any] = {
    "description": "",
    "unit": Unit.USER,
    "tier": Tier.EARLY,
    "is_leading": True,
    "driver": Driver.RENEWAL,
    "data_source": "",
    "frequency": Frequency.WEEKLY,
    "action": "",
    "segments": (),
    "entry": None,
}
"""What goes without saying of a KPI that is not from the catalogue."""
TAKEN = ("key", "name", "unit", "direction", "tier", "is_leading", "driver", "frequency", "action", "segments")
"""What of a template is the KPI's as it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A KPI of the catalogue, and under which names its events are sent here."""

    template: str | None = None
    events: tuple[tuple[str, str], ...] = ()


def completed(given: Mapping[str, Any], choice: Choice, path: Path = ()) -> tuple[dict[str, Any], list[Problem]]:
    """All that registering a KPI takes, and what is wrong with what was given; names as Python writes them."""
    if choice.template is None:
        problems = [bad(f"{camel(name)} is missing.", *path, camel(name)) for name in REQUIRED if name not in given]
        if choice.events:
            problems.append(bad("Events are renamed for a KPI of the catalogue: say which.", *path, "events"))
        return {**USUAL, **given}, problems
    template = templates().get(choice.template)
    if template is None:
        return {}, [absent(choice.template, *path, "fromCatalogue")]
    problems = [] if "owner" in given else [bad("owner is missing.", *path, "owner")]
    problems += _rename_problems(template, choice, path)
    return {**of(template, dict(choice.events)), **given}, problems


def of(template: Template, events: Mapping[str, str]) -> dict[str, Any]:
    """What the catalogue says of a KPI, with some of its events under other names."""
    entry = template.enters
    here = [events.get(signal.name, signal.name) for signal in template.events]
    return {
        **{name: getattr(template, name) for name in TAKEN},
        "description": f"{template.description} {template.formula}",
        "data_source": f"Events: {', '.join(here)}",
        "entry": replace(entry, event=events.get(entry.event, entry.event)) if entry.event else entry,
        "definition": reading(template.kind, events),
    }


def reading(kind: Kind, events: Mapping[str, str]) -> Kind:
    """A kind that reads other events instead of some of its own."""
    name, parameters = kinds.encode(kind)
    return kinds.decode(name, _reading(parameters, events))


def _reading(value: Any, events: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_reading(part, events) for part in value]
    if not isinstance(value, Mapping):
        return value
    return {
        name: events.get(part, part) if _is_event(name) and isinstance(part, str) else _reading(part, events)
        for name, part in value.items()
    }


def _is_event(name: str) -> bool:
    return name == "event" or name.endswith("_event")


def _rename_problems(template: Template, choice: Choice, path: Path) -> list[Problem]:
    if choice.events and isinstance(template.kind, Composite):
        sentence = "A composite reads the events of its components: rename them where those are registered."
        return [bad(sentence, *path, "events")]
    known = [signal.name for signal in template.events]
    problems: list[Problem] = []
    for place, (old, _) in enumerate(choice.events):
        at = (*path, "events", str(place), "from")
        if old not in known:
            sentence = f"“{template.key}” reads no event “{old}”.{near(old, known)} It reads {', '.join(known)}."
            problems.append(bad(sentence, *at))
        elif old in [other for other, _ in choice.events[:place]]:
            problems.append(bad(f"The event “{old}” is renamed twice.", *at))
    return problems
