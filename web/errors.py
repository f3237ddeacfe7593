"""Errors of the web package.

WebError
└── NoPrinter                what makes a PDF is not installed
"""


class WebError(Exception):
    """Base of this package's errors."""


class NoPrinter(WebError):
    """What makes a PDF is not installed."""
