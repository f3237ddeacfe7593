"""A review on paper: its template as PDF, by WeasyPrint, which loads Pango from the system."""

import re
from pathlib import Path
from typing import Any

from web.errors import NoPrinter
from web.quantities import Json
from web.renderer import render

HERE = Path(__file__).parent
SHEET, DRAWN = HERE / "paper" / "paper.css", HERE / "paper" / "charts.css"
"""The style of a page, and of the charts on it, which know no other."""
PICTURE = re.compile(r"(<svg [^>]*>)")


def printed(data: Json) -> bytes:
    """A review as PDF. Raises NoPrinter where Pango is missing."""
    try:
        import weasyprint  # noqa: PLC0415 - a service that prints nothing needs neither its memory nor Pango
    except OSError as missing:
        raise NoPrinter from missing
    style = f"<style>{DRAWN.read_text(encoding='utf-8')}</style>"
    page = PICTURE.sub(rf"\1{style}", render("review_paper", data))
    sheet = weasyprint.CSS(string=SHEET.read_text(encoding="utf-8"), url_fetcher=_fetch_nothing)
    made: bytes = weasyprint.HTML(string=page, url_fetcher=_fetch_nothing).write_pdf(stylesheets=[sheet])
    return made


def _fetch_nothing(url: str, *_args: Any, **_options: Any) -> Any:
    """A review needs nothing from outside: no address in it is ever asked."""
    raise ValueError(f"a review is printed without {url}")
