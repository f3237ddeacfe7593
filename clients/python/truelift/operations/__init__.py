"""The GraphQL documents this client sends, one a file."""

from importlib.resources import files

FRAGMENT = "results_fragment"


def document(name: str) -> str:
    """An operation by the name of its file, with the fragment that it spreads."""
    text = _text(name)
    return text + _text(FRAGMENT) if "...Results" in text else text


def _text(name: str) -> str:
    return files(__name__).joinpath(f"{name}.graphql").read_text(encoding="utf-8")
