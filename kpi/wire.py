"""How names read on the wire."""


def camel(name: str) -> str:
    """A Python name as GraphQL and JSON write it."""
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
