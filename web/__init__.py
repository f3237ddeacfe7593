"""The pages: each is one GraphQL document and one template. This package imports no other package of ours."""

from web.renderer import documents, render, static_dir

__all__ = ["documents", "render", "static_dir"]
