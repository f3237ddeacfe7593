"""The version of this software, as results name it."""

from importlib.metadata import version

VERSION = version("truelift")
