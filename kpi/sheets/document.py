"""A YAML document with the line of everything in it, so that a fault can say where it stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from kpi.errors import Invalid, Problem, bad
from kpi.wording import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a document says, and its tree of nodes."""

    value: Any
    root: yaml.Node | None

    def line(self, path: Path) -> int | None:
        """The line, from 1, of what stands at a path; of what is nearest to it, where that is missing."""
        node = self.root
        for step in path:
            inner = _child(node, step)
            if inner is None:
                break
            node = inner
        return None if node is None else node.start_mark.line + 1


def parse(text: str) -> Document:
    """Read a document. Raises Invalid for what is no YAML, and for a field that is given twice."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        value = None if root is None else loader.construct_document(root)
    except yaml.YAMLError as error:
        raise Invalid([bad(_sentence(error))]) from None
    finally:
        loader.dispose()
    twice = list(_twice(root, ()))
    if twice:
        raise Invalid(twice)
    return Document(value=value, root=root)


def _child(node: yaml.Node | None, step: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and step.isdigit():
        return node.value[int(step)]
    return None


def _twice(node: yaml.Node | None, path: Path) -> Iterator[Problem]:
    """YAML lets the last of two equal fields win, without a word."""
    if isinstance(node, yaml.SequenceNode):
        for place, inner in enumerate(node.value):
            yield from _twice(inner, (*path, str(place)))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, inner in node.value:
            if str(key.value) in seen:
                line = key.start_mark.line + 1
                yield bad(f"“{key.value}” is given twice, again in line {line}.", *path, str(key.value))
            seen.add(str(key.value))
            yield from _twice(inner, (*path, str(key.value)))


def _sentence(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"This is not YAML: {error.problem} in line {error.problem_mark.line + 1}."
    return f"This is not YAML: {str(error).splitlines()[0]}."
