"""The `truelift` command as a person runs it: the real program, its exit codes and its sentences."""

import asyncio
import csv
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from sysconfig import get_path
from typing import TypeVar

import httpx
import pytest

from api import sample, schema
from api.auth import keys
from api.database import Database
from tests.api.databases import made, url_of
from tests.api.embedded.conftest import NOBODYS_PYTHON, python_for
from tests.api.embedded.processes import comes, everything

TRUELIFT = Path(sys.executable).parent / "truelift"
ROOT = Path(__file__).parents[2]
SECRET = "a secret of thirty-two characters"
PATIENCE = 60
T = TypeVar("T")
