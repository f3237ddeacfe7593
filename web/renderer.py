"""Pages from answers: a page's GraphQL document, and its template filled with the data the document asked for."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from web import alerts, definitions, figures, forms, ladder, quantities, readings, reviews, risk, sentences, standings
from web.quantities import Json

HERE = Path(__file__).parent
static_dir: Path = HERE / "static"
"""The style sheet, the script and the mark, to be served under /static/."""


def _documents(folder: str) -> Mapping[str, str]:
    found = sorted((HERE / folder).glob("*.graphql"))
    return MappingProxyType({path.stem: path.read_text(encoding="utf-8") for path in found})


documents = _documents("pages")
"""The trusted document of each page, by the page's name."""
actions = _documents("actions")
"""The trusted document of what each form does, by the action's name."""
CONTEXT: Json = {
    "chosen": {},
    "done": None,
    "error": None,
    "fresh": None,
    "here": "/",
    "mail": None,
    "member": None,
    "nonce": None,
    "proof": None,
    "provider": None,
    "said": None,
    "token": None,
    "version": None,
    "viewer": None,
    "workspace": None,
}
"""What a page may be given beside its data; absent means nothing to say.

Of its forms: `said` and `done` are what came of one, `proof` what they are sent with, `here` where they are sent, and
`fresh` a text that no other making of the page has.
"""


def render(page: str, data: Json, **context: Any) -> str:
    """The HTML of a page; `data` is the `data` of its document's answer, `context` may hold the keys of `CONTEXT`.

    Raises jinja2.TemplateNotFound for an unknown page and jinja2.UndefinedError for data its document did not ask.
    """
    given = {**CONTEXT, **context}
    given["viewer"] = given["viewer"] or data.get("viewer")
    return ENVIRONMENT.get_template(f"pages/{page}.html").render(page=page, data=data, **given)


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.globals |= {
        "alerts": alerts,
        "definitions": definitions,
        "figures": figures,
        "forms": forms,
        "ladder": ladder,
        "quantities": quantities,
        "readings": readings,
        "reviews": reviews,
        "risk": risk,
        "sentences": sentences,
        "standings": standings,
    }
    made.filters |= {
        name: getattr(quantities, name)
        for name in (
            "value",
            "difference",
            "chance",
            "size",
            "scale",
            "evidence",
            "fact",
            "lift",
            "interval",
            "lift_interval",
            "p_value",
            "count",
            "decimal",
            "rate",
        )
    }
    made.filters |= {"share": quantities.percent, "moment": quantities.moment, "day": quantities.day}
    made.filters |= {
        "coded": sentences.coded,
        "words": quantities.words,
        "sentence": quantities.sentence,
        "reason": readings.reason,
    }
    return made


ENVIRONMENT = _environment()
