"""Finding words in hypotheses, experiments and learnings.

Words are found as they are written, whatever the language: nothing is stemmed and no word is too common. All of them
must occur; `or`, a minus sign and quotation marks work as on the web (`websearch_to_tsquery`), and the word that is
being typed - the last one - is found by its beginning. A hit's rank is its cover density (Clarke, Cormack and Tudhope
2000, Information Processing and Management 36), between 0 and 1.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import asyncpg

from kpi.tables import FANCY, PLAIN

LONGEST_QUERY = 400
"""Characters that are searched for; Postgres refuses a word of more than 2,046 bytes."""


class SearchKind(StrEnum):
    """What is searched."""

    HYPOTHESIS = "HYPOTHESIS"
    EXPERIMENT = "EXPERIMENT"
    LEARNING = "LEARNING"


class SearchField(StrEnum):
    """Where the words were found."""

    KEY = "KEY"
    NAME = "NAME"
    TITLE = "TITLE"
    CHANGE = "CHANGE"
    RATIONALE = "RATIONALE"
    CONCLUSION = "CONCLUSION"
    LEARNED = "LEARNED"
    TAGS = "TAGS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a text, and whether it is what was searched for."""

    text: str
    is_match: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Highlight:
    """What surrounds the words that were found in one field."""

    field: SearchField
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Where a hit lies among all: the better one first, then by kind, then the newer one."""

    rank: float
    kind: SearchKind
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something that was found."""

    place: Place
    highlights: Sequence[Highlight]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of hits, whether there are more behind it in the direction it was asked for, and how many in all."""

    hits: Sequence[Hit]
    has_more: bool
    total: int


TABLES = {SearchKind.HYPOTHESIS: "hypotheses", SearchKind.EXPERIMENT: "experiments", SearchKind.LEARNING: "learnings"}
TEXTS = {
    SearchKind.HYPOTHESIS: "('KEY', key, true), ('TITLE', title, true), ('CHANGE', change, false),"
    " ('RATIONALE', rationale, false)",
    SearchKind.EXPERIMENT: "('KEY', key, true), ('NAME', name, true)",
    SearchKind.LEARNING: "('CONCLUSION', conclusion, false), ('LEARNED', learned, false),"
    " ('TAGS', (SELECT string_agg(tag, ' ') FROM jsonb_array_elements_text(tags) tag), true)",
}
"""Of each kind its fields, their texts, and whether a text is shown whole."""
BEGIN, END = "\x01", "\x02"
"""Around a match, on the way from Postgres; they are taken out of the texts before."""
WHOLE = f"StartSel={BEGIN}, StopSel={END}, HighlightAll=true"
SURROUNDINGS = (
    f'StartSel={BEGIN}, StopSel={END}, MaxFragments=2, MinWords=10, MaxWords=30, ShortWord=0, FragmentDelimiter=" … "'
)
MATCH = re.compile(f"{BEGIN}(.*?){END}", re.DOTALL)
INNER_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
TYPING = re.compile(r"(?:^|\s)[^-\s]\S*(?<=\w)\Z")
"""A last word that is wanted, and that may go on."""
ASKED = """
SELECT CASE WHEN $2 AND found LIKE '%''' THEN found || ':*' ELSE found END
FROM (SELECT websearch_to_tsquery('simple', $1)::text AS found) asked
"""
HITS = """
SELECT '{kind}' AS kind, id, ts_rank_cd(search, $2::text::tsquery, 32) AS rank FROM {table}
WHERE workspace_id = $1 AND search @@ $2::text::tsquery
"""
PAGE = """
WITH hits AS ({hits}), total AS (SELECT count(*) AS total FROM hits),
page AS (
    SELECT * FROM hits
    WHERE ($3::real IS NULL OR (rank, kind, id) < ($3::real, $4::text, $5::int))
      AND ($6::real IS NULL OR (rank, kind, id) > ($6::real, $7::text, $8::int))
    ORDER BY rank {order}, kind {order}, id {order} LIMIT $9
)
SELECT * FROM total LEFT JOIN page ON true ORDER BY rank DESC, kind DESC, id DESC
"""
HEADLINES = """
SELECT '{kind}' AS kind, id, field,
    ts_headline('simple', translate(text, $3, $4), $2::text::tsquery, CASE WHEN is_whole THEN $5 ELSE $6 END) headline
FROM {table} CROSS JOIN LATERAL (VALUES {texts}) AS texts (field, text, is_whole)
WHERE workspace_id = $1 AND id = ANY (${ids}::int[]) AND text IS NOT NULL
"""


async def search(
    connection: asyncpg.Connection,
    *,
    workspace_id: int,
    query: str,
    kinds: Collection[SearchKind],
    size: int,
    after: Place | None = None,
    before: Place | None = None,
    backwards: bool = False,
) -> Found:
    """A page of what has the words of a query, the best first; the last ones if backwards. `query` is text."""
    wanted = list(dict.fromkeys(kinds)) or list(SearchKind)
    asked = await connection.fetchval(ASKED, *_words(query))
    hits = " UNION ALL ".join(HITS.format(kind=kind, table=TABLES[kind]) for kind in wanted)
    statement = PAGE.format(hits=hits, order="ASC" if backwards else "DESC")
    rows = await connection.fetch(statement, workspace_id, asked, *_bound(after), *_bound(before), size + 1)
    places = [Place(rank=row["rank"], kind=SearchKind(row["kind"]), id=row["id"]) for row in rows if row["id"]]
    shown = (places[-size:] if size else []) if backwards else places[:size]
    highlights = await _highlights(connection, workspace_id, asked, shown)
    return Found(
        hits=[Hit(place=place, highlights=highlights[place.kind, place.id]) for place in shown],
        has_more=len(places) > size,
        total=rows[0]["total"],
    )


def _words(query: str) -> tuple[str, bool]:
    """What is searched for - parts of a compound are words of their own - and whether its last word may go on."""
    text = INNER_HYPHEN.sub(" ", query[:LONGEST_QUERY].translate(str.maketrans(FANCY, PLAIN)))
    return text, TYPING.search(text) is not None


def _bound(place: Place | None) -> tuple[float | None, str | None, int | None]:
    return (None, None, None) if place is None else (place.rank, place.kind, place.id)


async def _highlights(
    connection: asyncpg.Connection, workspace_id: int, asked: str, shown: Sequence[Place]
) -> defaultdict[tuple[SearchKind, int], list[Highlight]]:
    ids: defaultdict[SearchKind, list[int]] = defaultdict(list)
    for place in shown:
        ids[place.kind].append(place.id)
    found: defaultdict[tuple[SearchKind, int], list[Highlight]] = defaultdict(list)
    if not ids:
        return found
    statement = " UNION ALL ".join(
        HEADLINES.format(kind=kind, table=TABLES[kind], texts=TEXTS[kind], ids=number)
        for number, kind in enumerate(ids, start=7)
    )
    options = (FANCY + BEGIN + END, PLAIN, WHOLE, SURROUNDINGS)
    for row in await connection.fetch(statement, workspace_id, asked, *options, *ids.values()):
        if BEGIN in row["headline"]:
            highlight = Highlight(field=SearchField(row["field"]), parts=list(parts(row["headline"])))
            found[SearchKind(row["kind"]), row["id"]].append(highlight)
    return found


def parts(headline: str) -> Iterator[Part]:
    """The pieces of a headline, in order."""
    for number, text in enumerate(MATCH.split(headline)):
        if text:
            yield Part(text=text, is_match=number % 2 == 1)
