"""The few SVG elements the charts need, as escaped markup: no label can break out of its element."""

import math
from collections.abc import Iterable

from markupsafe import Markup, escape


def element(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """One element; `class_` and `view_box` stand for `class` and `viewBox`, None leaves an attribute out.

    Raises ValueError for a number that is not finite, since it would silently empty the drawing.
    """
    written = Markup("").join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    body = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, body)


def drawing(*children: str, width: float, height: float, label: str, class_: str) -> Markup:
    """A whole SVG picture that reads as one image with the sentence `label`."""
    return element(
        "svg",
        *children,
        xmlns="http://www.w3.org/2000/svg",
        view_box=f"0 0 {coordinate(width)} {coordinate(height)}",
        class_=class_,
        role="img",
        aria_label=label,
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def text(x: float, y: float, content: str, class_: str, anchor: str | None = None) -> Markup:
    """One line of text; `anchor` is start (default), middle or end."""
    return element("text", content, x=x, y=y, class_=class_, text_anchor=anchor)


def group(children: Iterable[str], *, title: str | None = None, class_: str | None = None) -> Markup:
    """Marks that belong together; the title is what a pointer shows on hover."""
    named = [element("title", title)] if title else []
    return element("g", *named, *children, class_=class_)


def path(points: Iterable[tuple[float, float]], class_: str, *, is_closed: bool = False) -> Markup:
    """A line through the points, closed to an area when asked; no points draw nothing."""
    steps = [f"{coordinate(x)} {coordinate(y)}" for x, y in points]
    if not steps:
        return Markup("")
    return element("path", d="M" + "L".join(steps) + ("Z" if is_closed else ""), class_=class_)


def circle(x: float, y: float, radius: float, class_: str) -> Markup:
    """A dot."""
    return element("circle", cx=x, cy=y, r=radius, class_=class_)


def diamond(x: float, y: float, radius: float, class_: str) -> Markup:
    """A square on its corner: the second channel beside colour."""
    corners = [(x - radius, y), (x, y - radius), (x + radius, y), (x, y + radius)]
    return path(corners, class_, is_closed=True)


def coordinate(value: float) -> str:
    """A number with at most two decimals, as short as it can be written."""
    if not math.isfinite(value):
        raise ValueError(f"a drawing needs finite numbers, got {value}")
    return f"{round(value, 2) + 0.0:g}" if abs(value) < 1e4 else f"{value:.0f}"


def _attribute(key: str, value: str | float | None) -> Markup:
    name = "viewBox" if key == "view_box" else key.rstrip("_").replace("_", "-")
    shown = value if isinstance(value, str) else coordinate(value or 0.0)
    return Markup(' {}="{}"').format(name, shown)
