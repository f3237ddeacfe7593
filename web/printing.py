"""A review on paper: its template as PDF, by WeasyPrint, which is not always installed."""

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
    """A review as PDF. Raises NoPrinter where WeasyPrint, or a library it needs, is missing."""
    try:
        import weasyprint  # noqa: PLC0415 - it may be missing
    except (ImportError, OSError) as missing:  # OSError: a library of the system that it loads
        raise NoPrinter from missing
    style = f"<style>{DRAWN.read_text(encoding='utf-8')}</style>"
    page = PICTURE.sub(rf"\1{style}", render("review_paper", data))
    sheet = weasyprint.CSS(string=SHEET.read_text(encoding="utf-8"), url_fetcher=_fetch_nothing)
    made: bytes = weasyprint.HTML(string=page, url_fetcher=_fetch_nothing).write_pdf(stylesheets=[sheet])
    return made


def _fetch_nothing(url: str, *_args: Any, **_options: Any) -> Any:
    """A review needs nothing from outside: no address in it is ever asked."""
    raise ValueError(f"a review is printed without {url}")
