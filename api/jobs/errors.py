"""Errors of the worker.

Gone      a job is not ours to run any more: somebody cancelled it, or another worker has it
"""


class Gone(Exception):
    """A job is not ours to run any more."""
