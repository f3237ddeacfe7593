"""The ladder as a drawing: KPIs in layers, those that lead below, and lines to those that move with them."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from web.charts.svg import circle, drawing, element, group, line, text

GAP, EDGE = 84, 10
"""Room between layers, for lines and their numbers, and around all of them."""
TALL, CAP = 98, 34
"""How tall the box of a KPI is, and that of revenue."""
LINE, GLYPH = 17, 7.6
"""How tall a line of text is, and how wide its letters are, roughly."""
LEVELS = (0.5, 0.27, 0.73)
"""Where on its last stretch a line may carry its number, the first choice first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A KPI of the drawing: its name, its value, how it stands in words, and the tone that says so in colour."""

    key: str
    name: str
    value: str
    stands: str
    tone: str
    height: int
    alerts: int
    is_share_of_revenue: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A line from a KPI to one that moves with it: its number, and whether data, an assumption or nothing says so."""

    leading: str
    lagging: str
    answer: str
    style: str
    """estimated, assumed or unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One size to draw on: how wide, how many KPIs stand beside each other, and how wide a box may be."""

    width: float
    most: int
    box: float
    name: str


WIDE = Sheet(width=960, most=5, box=216, name="wide")
NARROW = Sheet(width=360, most=2, box=164, name="narrow")
SIZES = (WIDE, NARROW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A place on the paper."""

    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Its middle, across."""
        return self.left + self.width / 2

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height

    def meets(self, other: "Box") -> bool:
        """Whether two places have a point in common."""
        apart = self.left + self.width <= other.left or other.left + other.width <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)


def rungs(found: Sequence[Rung], steps: Sequence[Step], sheet: Sheet, *, label: str) -> Markup:
    """The drawing. Steps between KPIs that are not in it are left out."""
    boxes = places(found, steps, sheet)
    known = [step for step in steps if step.leading in boxes and step.lagging in boxes]
    below = max(box.bottom for box in boxes.values()) + EDGE
    parts = [
        *_revenue([boxes[one.key] for one in found if one.is_share_of_revenue], sheet),
        *(_line(boxes[step.leading], boxes[step.lagging], step.style) for step in known),
        *(_box(one, boxes[one.key]) for one in found),
        *_numbers(known, boxes),
    ]
    return drawing(*parts, width=sheet.width, height=below, label=label, class_=f"plot rungs {sheet.name}")


def places(found: Sequence[Rung], steps: Sequence[Step], sheet: Sheet) -> dict[str, Box]:
    """Where each KPI stands, by its key; above the shares of revenue there is room for it."""
    top = CAP + GAP / 2 if any(one.is_share_of_revenue for one in found) else 0.0
    boxes: dict[str, Box] = {}
    for number, row in enumerate(_rows(found, steps, sheet.most)):
        slot = (sheet.width - 2 * EDGE) / len(row)
        wide = min(sheet.box, slot - EDGE)
        for place, one in enumerate(row):
            left = EDGE + slot * place + (slot - wide) / 2
            boxes[one.key] = Box(left=left, top=EDGE + top + number * (TALL + GAP), width=wide, height=TALL)
    return boxes


def _rows(found: Sequence[Rung], steps: Sequence[Step], most: int) -> list[list[Rung]]:
    """From the top down; each layer, in rows alike, in the order of what its KPIs move, so that few lines cross."""
    order: dict[str, float] = {}
    rows: list[list[Rung]] = []
    layers = layers_of(found, steps)
    for level in sorted(set(layers.values()), reverse=True):
        layer = [one for one in found if layers[one.key] == level]
        layer.sort(key=lambda one: _middle(order, [step.lagging for step in steps if step.leading == one.key]))
        order |= {one.key: (place + 0.5) / len(layer) for place, one in enumerate(layer)}
        size = -(-len(layer) // -(-len(layer) // most))
        rows += [layer[start : start + size] for start in range(0, len(layer), size)]
    return rows


def layers_of(found: Sequence[Rung], steps: Sequence[Step]) -> dict[str, int]:
    """Each KPI as high as it can stand below all that it leads to, so that what leads to nothing is at the top."""
    layers: dict[str, int] = {}
    top = max((one.height for one in found), default=0)
    for one in sorted(found, key=lambda one: -one.height):
        above = [layers[step.lagging] for step in steps if step.leading == one.key and step.lagging in layers]
        layers[one.key] = min(above) - 1 if above else top
    return layers


def _middle(order: Mapping[str, float], above: Sequence[str]) -> float:
    known = [order[key] for key in above if key in order]
    return sum(known) / len(known) if known else 0.5


def _line(leading: Box, lagging: Box, style: str) -> Markup:
    return line(leading.middle, leading.top, lagging.middle, lagging.bottom, f"step {style}")


def _revenue(shares: Sequence[Box], sheet: Sheet) -> Iterator[Markup]:
    """What lies above the shares of revenue."""
    if not shares:
        return
    box = Box(left=EDGE, top=EDGE, width=sheet.width - 2 * EDGE, height=CAP)
    for share in shares:
        yield line(share.middle, share.top, share.middle, box.bottom, "step share")
    yield _frame(box, "rung revenue")
    yield text(sheet.width / 2, box.top + 22, "Recurring revenue", "name", "middle")


def _box(one: Rung, box: Box) -> Markup:
    letters = max(8, int((box.width - 20) / GLYPH))
    name = textwrap.wrap(one.name, letters, max_lines=3, placeholder="…") or [one.key]
    lines = [*((words, "name") for words in name), (one.value, "answer"), (one.stands, f"reading {one.tone}")]
    start = box.top + (TALL - LINE * len(lines)) / 2 + 13
    written = [text(box.middle, start + LINE * at, words, class_, "middle") for at, (words, class_) in enumerate(lines)]
    title = f"{one.name}: {one.value}, {one.stands}"
    return group([_frame(box, f"rung {one.tone}"), *written, *_alerts(one, box)], title=title)


def _alerts(one: Rung, box: Box) -> list[Markup]:
    """How many alerts are open, in the corner."""
    if not one.alerts:
        return []
    x, y = box.left + box.width - 4, box.top + 4
    return [circle(x, y, 10, "badge"), text(x, y + 4, str(one.alerts), "badge-number", "middle")]


def _frame(box: Box, class_: str) -> Markup:
    return element("rect", x=box.left, y=box.top, width=box.width, height=box.height, rx=8, class_=class_)


def _numbers(steps: Sequence[Step], boxes: Mapping[str, Box]) -> Iterator[Markup]:
    """The number of each line, just below the KPI it leads to, where no other number stands."""
    taken: list[Box] = []
    for step in steps:
        place = number_place(boxes[step.leading], boxes[step.lagging], step.answer, taken)
        taken.append(place)
        yield element("rect", x=place.left, y=place.top, width=place.width, height=place.height, rx=4, class_="label")
        yield text(place.middle, place.top + 13, step.answer, f"tick {step.style}", "middle")


def number_place(leading: Box, lagging: Box, words: str, taken: Sequence[Box]) -> Box:
    """Where the number of a line may stand: on the line, in the gap below the KPI it leads to."""
    wide = len(words) * GLYPH + 6
    choices = []
    for level in LEVELS:
        y = lagging.bottom + GAP * level
        share = (y - lagging.bottom) / (leading.top - lagging.bottom)
        x = lagging.middle + share * (leading.middle - lagging.middle)
        choices.append(Box(left=x - wide / 2, top=y - LINE / 2, width=wide, height=LINE))
    free = (one for one in choices if not any(one.meets(other) for other in taken))
    return next(free, choices[0])
