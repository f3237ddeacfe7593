"""Errors of reading a file.

FilesError
├── MappingError     the mapping and the file's columns do not fit; nothing was read
├── SourceError      the file cannot be opened or has no readable header; nothing was read
└── CellError        one cell cannot be read; it becomes a reject, and reading goes on
"""

from enum import StrEnum


class Code(StrEnum):
    """Why a row of a file could not be read."""

    WRONG_WIDTH = "WRONG_WIDTH"
    BAD_QUOTE = "BAD_QUOTE"
    BAD_TEXT = "BAD_TEXT"
    TOO_LONG = "TOO_LONG"
    REPEATED_HEADER = "REPEATED_HEADER"
    EMPTY_FILE = "EMPTY_FILE"
    CUT_SHORT = "CUT_SHORT"
    BAD_TIME = "BAD_TIME"
    BAD_NUMBER = "BAD_NUMBER"
    BAD_FLAG = "BAD_FLAG"
    BAD_CELL = "BAD_CELL"
    BAD_JSON = "BAD_JSON"


class FilesError(Exception):
    """Base of this package's errors; the text is a sentence for the person who started the import."""

    code = "FILES"


class MappingError(FilesError):
    """The mapping is wrong in itself, or names what the file does not have."""

    code = "MAPPING"


class SourceError(FilesError):
    """The file is absent, unreadable, of an unknown kind, or without a readable header."""

    code = "SOURCE"


class CellError(FilesError):
    """One cell cannot be read as what the mapping says it is."""

    def __init__(self, code: Code, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.code, self.path = code, path
