"""A YAML document with the line of everything in it, so that a fault can say where it stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from kpi.errors import Invalid, Problem, bad, refuse
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
        # Before the values are made: making them writes what is merged (<<) into the tree, beside what overrides it.
        refuse(list(_twice(root, (), set())))
        value = None if root is None else loader.construct_document(root)
    except yaml.YAMLError as error:
        raise Invalid([bad(_sentence(error))]) from None
    except RecursionError:
        raise Invalid([bad("This is nested more deeply than a file of KPIs can be.")]) from None
    except ValueError as error:  # a number or a day that is none, such as 30 February
        raise Invalid([bad(f"A value cannot be read: {error}. A text stands in quotes.")]) from None
    finally:
        loader.dispose()
    return Document(value=value, root=root)


def _child(node: yaml.Node | None, step: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in reversed(node.value) if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and step.isdigit():
        return node.value[int(step)]
    return None


def _twice(node: yaml.Node | None, path: Path, known: set[int]) -> Iterator[Problem]:
    """YAML lets the last of two equal fields win, without a word. A node that is named elsewhere (*) is known."""
    if id(node) in known:
        return
    known.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for place, inner in enumerate(node.value):
            yield from _twice(inner, (*path, str(place)), known)
    if isinstance(node, yaml.MappingNode):
        yield from _fields_twice(node, path)
        for key, inner in node.value:
            yield from _twice(inner, (*path, str(key.value)), known)


def _fields_twice(node: yaml.MappingNode, path: Path) -> Iterator[Problem]:
    seen: set[str] = set()
    for key, _ in node.value:
        name = str(key.value)
        if name in seen:
            line = key.start_mark.line + 1
            yield bad(f"“{name}” is given twice, again in line {line}.", *path, name)
        seen.add(name)


def _sentence(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"This is not YAML: {error.problem} in line {error.problem_mark.line + 1}."
    return f"This is not YAML: {str(error).splitlines()[0]}."
