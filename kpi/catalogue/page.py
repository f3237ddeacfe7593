"""docs/catalogue.md: the catalogue as a page, written by `make catalogue` and held equal to the data by a test."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from kpi.catalogue import AREAS, Template, signals, templates
from kpi.enums import Direction, Unit

PAGE = Path(__file__).parents[2] / "docs" / "catalogue.md"
HEAD = """# The catalogue of KPIs

Written by `make catalogue` from `kpi/catalogue/*.yaml`. How to register one of these KPIs, and how to keep KPIs in a
file: [KPIs](kpis.md). `{ kpiCatalogue { key action segments definition { __typename } } }` tells all of each.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for area in AREAS for line in _area(area)), *_events()]) + "\n"


def _area(area: str) -> Iterator[str]:
    yield from (f"## {area.title()}", "", "| key | KPI | formula | counted in | of | better | reported | events |")
    yield "|---|---|---|---|---|---|---|---|"
    yield from (_kpi(template) for template in templates().values() if template.area == area)
    yield ""


def _kpi(template: Template) -> str:
    better = "more" if template.direction is Direction.HIGHER else "less"
    of = "users" if template.unit is Unit.USER else "accounts"
    events = ", ".join(f"`{signal.name}`" for signal in template.events)
    cells = (
        f"`{template.key}`", template.name, template.formula, template.measured_in, of, better,
        template.frequency.lower(), events,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _events() -> Iterator[str]:
    yield from ("## Events", "", "What users do counts for their account too, once memberships are known.", "")
    yield from ("| event | sent for | meaning | value | a row |", "|---|---|---|---|---|")
    for signal in signals().values():
        row = msgspec.json.encode(signal.example).decode()
        value = signal.value or "none"
        yield f"| `{signal.name}` | {signal.of.lower()} | {signal.meaning} | {value} | `{row}` |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
