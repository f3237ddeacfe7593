"""The pages: each is one GraphQL document and one template, and each of their forms one mutation.

This package imports no other package of ours.
"""

from web.forms import ACTIONS, Said
from web.renderer import actions, documents, render, static_dir

__all__ = ["ACTIONS", "Said", "actions", "documents", "render", "static_dir"]
