"""Documents made of the schema: every field that there is, asked with ids and keys that name somebody's things."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_composite_type,
    is_leaf_type,
)

from tests.api.public import PUBLIC

NOUNS = (
    "AlertRule",
    "Alert",
    "Annotation",
    "ActionItem",
    "Delivery",
    "Endpoint",
    "Experiment",
    "Hypothesis",
    "Job",
    "Kpi",
    "Learning",
    "Protocol",
    "ApiKey",
    "Member",
    "Rejection",
    "Review",
)
"""What has a global id; a longer name before one that it begins with."""
BY_KEY = {
    "kpi": "Kpi",
    "leading": "Kpi",
    "lagging": "Kpi",
    "kpis": "Kpi",
    "experiment": "Experiment",
    "holdout": "Experiment",
    "hypothesis": "Hypothesis",
    "protocol": "Protocol",
    "unit": "unit",
    "member": "unit",
    "account": "unit",
    "units": "unit",
    "variant": "variant",
}
"""Words that name a thing of a workspace by its key, wherever they stand."""
PLAIN = {
    "Int": "7",
    "Float": "0.5",
    "Boolean": "true",
    "Date": '"2026-06-01"',
    "DateTime": '"2026-06-20T00:00:00Z"',
    "String": '"plain"',
    "Decimal": '"1"',
    "JSON": "1",
}
ID_OF = {"alertRuleSet": "kpi", "AlertRuleInput": "alertRule"}
"""What an id is of, where neither it nor the field is called so."""
BESIDE = {"kpiRegister": ['key: "plain"', 'name: "plain"', "direction: HIGHER", 'owner: "plain"']}
"""What else must be said for a name to be looked up."""
ABSTRACT = ("node", "nodes")
"""Fields that are asked for each noun by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What things of a workspace are called: ids by noun, and keys."""

    ids: Mapping[str, str]
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One document, and what it asks."""

    field: str
    document: str
    names_something: bool


def calls(names: Names) -> Iterator[Call]:
    """Every root field that there is, with ids and keys wherever it takes some."""
    for word, root in (("query", PUBLIC.query_type), ("mutation", PUBLIC.mutation_type)):
        assert root is not None
        yield from (_call(word, name, field, names) for name, field in root.fields.items() if name not in ABSTRACT)
    yield Call(
        field="nodes",
        document=f"query {{ nodes(ids: {json.dumps([*names.ids.values()])}) {{ id }} }}",
        names_something=True,
    )
    for one in PUBLIC.get_possible_types(PUBLIC.type_map["Node"]):  # type: ignore[arg-type]  # it is an interface
        text = f'query {{ node(id: "{names.ids[one.name]}") {{ ... on {one.name}{_selection(one, 1, ())} }} }}'
        yield Call(field=f"node of {one.name}", document=text, names_something=True)


def followings(names: Names) -> Iterator[Call]:
    """Every subscription that takes an id."""
    root = PUBLIC.subscription_type
    assert root is not None
    yield from (_call("subscription", name, field, names) for name, field in root.fields.items() if field.args)


def _call(word: str, name: str, field: GraphQLField, names: Names) -> Call:
    given = _arguments(name, field.args, names)
    text = f"{name}{given}{_selection(get_named_type(field.type), 1, ())}"
    return Call(field=name, document=f"{word} {{ {text} }}", names_something=bool(given) and _names(name, field.args))


# --- what is given ---------------------------------------------------------------------------------------------------


def _arguments(owner: str, stated: Mapping[str, GraphQLArgument], names: Names) -> str:
    given = [
        f"{name}: {_value(owner, name, argument.type, names)}"
        for name, argument in stated.items()
        if _is_needed(argument) or _is_reference(owner, name, argument.type, ())
    ]
    given += ["first: 3"] if "first" in stated else []
    return f"({', '.join(given)})" if given else ""


def _names(owner: str, stated: Mapping[str, GraphQLArgument]) -> bool:
    return any(_is_reference(owner, name, argument.type, ()) for name, argument in stated.items())


def _is_needed(stated: GraphQLArgument | GraphQLInputField) -> bool:
    return (
        isinstance(stated.type, GraphQLNonNull)
        and stated.ast_node is not None
        and stated.ast_node.default_value is None
    )


def _is_reference(owner: str, name: str, kind: GraphQLInputType, path: tuple[str, ...]) -> bool:
    """Whether a value names a thing, or holds one that does."""
    plain = get_named_type(kind)
    if isinstance(plain, GraphQLInputObjectType):
        members = plain.fields.items()
        return plain.name not in path and any(
            _is_reference(owner, member, field.type, (*path, plain.name)) for member, field in members
        )
    if name == "after":
        return False  # a cursor
    return plain.name == "ID" or (plain.name == "String" and _noun(owner, name) is not None)


def _noun(owner: str, name: str) -> str | None:
    """What a key is of; what is being registered is called as its caller likes."""
    if name == "key":
        return next((noun for noun in NOUNS if owner == noun[0].lower() + noun[1:]), None)
    return BY_KEY.get(name)


def _value(owner: str, name: str, kind: GraphQLInputType, names: Names) -> str:
    if isinstance(kind, GraphQLNonNull):
        return _value(owner, name, kind.of_type, names)
    if isinstance(kind, GraphQLList):
        return f"[{_value(owner, name, kind.of_type, names)}]"
    if isinstance(kind, GraphQLInputObjectType):
        return _object(owner if name == "input" or kind.name == "IdComparator" else kind.name, kind, names)
    if isinstance(kind, GraphQLEnumType):
        return str(next(iter(kind.values)))
    if kind.name == "ID":
        return json.dumps(names.ids[_noun_of_id(owner, name)])
    noun = _noun(owner, name)
    return json.dumps(names.keys[noun]) if kind.name == "String" and noun else PLAIN[kind.name]


def _noun_of_id(owner: str, name: str) -> str:
    """By the argument's own name, else by that of the field: `kpiUpdate` takes the id of a KPI."""
    for word in (name, ID_OF.get(owner, owner)):
        for noun in NOUNS:
            if word.lower().startswith(noun.lower()):
                return noun
    return "Experiment"


def _object(owner: str, kind: GraphQLInputObjectType, names: Names, path: tuple[str, ...] = ()) -> str:
    members = kind.fields.items()
    if kind.is_one_of:
        wanted = next((pair for pair in members if _is_reference(owner, *_typed(pair), ())), next(iter(members)))
        chosen = [wanted]
    else:
        chosen = [
            (name, field)
            for name, field in members
            if _is_needed(field) or _is_reference(owner, name, field.type, (*path, kind.name))
        ]
    given = [f"{name}: {_value(owner, name, field.type, names)}" for name, field in chosen]
    return "{" + ", ".join(given + BESIDE.get(owner, [])) + "}"


def _typed(member: tuple[str, GraphQLInputField]) -> tuple[str, GraphQLInputType]:
    return member[0], member[1].type


# --- what is asked for -----------------------------------------------------------------------------------------------


def _selection(kind: Any, deep: int, path: tuple[str, ...]) -> str:
    """All leaves of a type, and of what lies below it, but for what the path has been through."""
    if is_leaf_type(kind):
        return ""
    if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
        return " { __typename }"
    return " { " + " ".join(_fields(kind, deep, (*path, kind.name))) + " }"


def _fields(kind: GraphQLObjectType, deep: int, path: tuple[str, ...]) -> Iterator[str]:
    for name, field in kind.fields.items():
        below = get_named_type(field.type)
        if name == "edges" or any(_is_needed(argument) for argument in field.args.values()):
            continue
        if is_leaf_type(below):
            yield name
        elif is_composite_type(below) and deep > 0 and below.name not in path:
            few = "(first: 3)" if "first" in field.args else ""
            yield f"{name}{few}{_selection(below, deep - 1, path)}"


# --- what is compared ------------------------------------------------------------------------------------------------

NUMBERED = re.compile(r"[A-Za-z0-9+/_-]{6,}={0,2}")
VARIES = re.compile(r"(?<=id\\\":)\d+|\d{4}-\d\d-\d\dT[\d:.+]+Z?|\b[0-9a-f]{16,}\b|whsec_[\w+/=-]+")
"""Moments, hashes and secrets: they differ from call to call."""


def plain(text: str) -> str:
    """An answer without what differs between two workspaces that are alike: numbers of rows, moments, hashes."""
    return VARIES.sub("…", NUMBERED.sub(_without_number, text))


def _without_number(found: re.Match[str]) -> str:
    try:
        read = base64.b64decode(found[0] + "=" * (-len(found[0]) % 4), validate=True).decode()
    except ValueError:
        return found[0]
    if read.startswith('["'):  # the cursor of an order
        return f"<{json.loads(read)[0]}>"
    noun, colon, _ = read.partition(":")
    return f"<{noun}>" if colon and noun.isalpha() else found[0]
