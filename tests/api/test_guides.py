"""What the guides and the pages tell people to send: each GraphQL document in them fits the schema."""

import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest
from graphql import DocumentNode, GraphQLSchema, build_schema, parse, validate

ROOT = Path(__file__).parents[2]
GUIDES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
PAGES = sorted((ROOT / "web").rglob("*.html"))
BLOCKS = {
    ".md": re.compile(r"^```\w*\n(.*?)^```|((?:^ {4}[^\n]*\n(?:^ *\n)*)+)", re.M | re.S),
    ".html": re.compile(r"<pre>([^{].*?)</pre>|<code>(\w+\(.*?)</code>", re.S),
}
"""Blocks of code: between fences or indented in a guide, preformatted on a page."""
QUERY = re.compile(r'"query":\s*"((?:[^"\\]|\\.)*)"', re.S)
START = re.compile(r"^ *(?:(?:mutation|query|subscription)\b[^{\n]*)?\{(?! *[\"{%])", re.M)
SPOKEN = re.compile(r"(?:mutation |query )?\{ ?[a-z]\w*\b(?!:)[^.…]*\}|[a-z]\w*(?:\(\w+:\))? \{[^.…]*\}")
"""A document, or a field with what is asked of it, in the middle of a sentence."""
UNSAID = ("is required, but it was not provided", "must have a selection of subfields")
"""What a sentence leaves out: the argument that says which, and what is asked of the last field."""


def documents(path: Path) -> Iterator[str]:
    """The GraphQL documents of a guide or a page: in blocks of code, in the bodies of requests, and in sentences."""
    text, blocks = path.read_text("utf-8"), BLOCKS[path.suffix]
    for found in blocks.finditer(text):
        block = next(part for part in found.groups() if part is not None)
        yield from (query.replace('\\"', '"') for query in QUERY.findall(block))
        yield from _whole(QUERY.sub("", block))
    words = re.findall("`([^`\n]+)`", blocks.sub("\n", text))
    yield from (re.sub(r"\(\w+:\)", "", one) for one in words if SPOKEN.fullmatch(one))


def _whole(block: str) -> Iterator[str]:
    """What begins like a document, up to the brace that closes its first one."""
    at = 0
    while start := START.search(block, at):
        depths = accumulate({"{": 1, "}": -1}.get(letter, 0) for letter in block[start.end() :])
        length = next((place for place, depth in enumerate(depths) if depth < 0), None)
        if length is None:
            return
        at = start.end() + length + 1
        yield block[start.start() : at]


def _parsed(document: str) -> DocumentNode:
    """The document; of a field alone, the query for it."""
    is_whole = re.match(r"\s*(?:(?:mutation|query|subscription)\b|\{)", document)
    return parse(document if is_whole else f"{{ {document} }}")


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """The schema as it is published."""
    return build_schema((ROOT / "api" / "graphql" / "schema.graphql").read_text("utf-8"))


def test_documents_of_guides_and_pages_fit_the_schema(schema: GraphQLSchema) -> None:
    found = [(path.name, document) for path in GUIDES + PAGES for document in documents(path)]
    wrong = [
        (name, error.message, document)
        for name, document in found
        for operation in _parsed(document).definitions
        for error in validate(schema, DocumentNode(definitions=(operation,)))
        if not any(part in error.message for part in UNSAID)
    ]
    assert wrong == []
    assert len(found) > 50
    assert {"README.md", "kpis.md", "alerts.md", "kpis.html", "ladder.html"} <= {name for name, _ in found}
