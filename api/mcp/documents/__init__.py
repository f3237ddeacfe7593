"""The GraphQL documents of the tools, one a file."""

from importlib.resources import files


def document(name: str) -> str:
    """An operation by the name of its file."""
    return files(__name__).joinpath(f"{name}.graphql").read_text(encoding="utf-8")
