"""Errors of the web package.

WebError
└── NoPrinter                Pango, which makes a PDF, is not installed
"""


class WebError(Exception):
    """Base of this package's errors."""


class NoPrinter(WebError):
    """Pango, which makes a PDF, is not installed."""
