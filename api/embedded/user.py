"""A user of the embedded database: a process that holds a lease on it."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.embedded import locks, log
from api.embedded.errors import EmbeddedError, explained
from api.embedded.folder import Folder
from api.embedded.launch import launch

_START_SECONDS = 300.0
"""How long to wait for a server: long enough to recover from a crash in the middle of a large import."""

_LEAVE_SECONDS = 10.0
"""How long the last user waits for the server to end."""

_WATCH_SECONDS = 1.0
"""How often a user makes sure that there is a keeper."""

_MOST_LAUNCHES = 2
"""One keeper may be killed while it starts; a second that gives up has a reason."""

_logger = logging.getLogger(__name__)


@contextmanager
def lease(data_dir: Path) -> Iterator[tuple[Folder, Path]]:
    """Hold a lease; gives the folder and the folder of the socket of a server that answers."""
    folder = Folder.at(data_dir.resolve())
    with explained(folder.root):
        held = _take(folder)
    try:
        with explained(folder.root):
            socket_dir = _served(folder)
        with _watched(folder):
            yield folder, socket_dir
    finally:
        _leave(folder, held)


def _take(folder: Folder) -> int:
    """Take a lease, after the end of a keeper that is shutting down."""
    folder.make()
    descriptor = locks.opened(folder.lease)
    if any(locks.shared(descriptor) for _ in locks.moments(_START_SECONDS)):
        return descriptor
    os.close(descriptor)
    raise EmbeddedError(f"The database in {folder.root} has been shutting down for minutes: see {folder.log}.")


def _served(folder: Folder) -> Path:
    """Wait for a server that answers, launching a keeper where none is at work."""
    launches = 0
    for _ in locks.moments(_START_SECONDS):
        if socket_dir := _ready(folder):
            return Path(socket_dir)
        with locks.tried(folder.keeper_lock) as lock:
            if lock is not None and launches == _MOST_LAUNCHES:
                break
            if lock is not None:
                launch(folder, lock)
                launches += 1
    raise EmbeddedError(
        f"The database in {folder.root} does not start. Its log, {folder.log}, ends with:\n{log.tail(folder.log)}"
    )


def _ready(folder: Folder) -> str:
    """Give the folder of the socket if a keeper says that its server answers, else nothing."""
    return folder.ready_lock.read_text() if locks.owned(folder.ready_lock) else ""


@contextmanager
def _watched(folder: Folder) -> Iterator[None]:
    """Inside, a keeper that was killed is replaced, so that a long-lived service mends itself."""
    left = threading.Event()
    watch = threading.Thread(target=_watch, args=(folder, left), name="embedded database", daemon=True)
    watch.start()
    try:
        yield
    finally:
        left.set()
        watch.join()


def _watch(folder: Folder, left: threading.Event) -> None:
    while not left.wait(_WATCH_SECONDS):
        try:
            with explained(folder.root), locks.tried(folder.keeper_lock) as lock:
                if lock is not None:
                    _logger.warning("the embedded database has lost its keeper; starting another")
                    launch(folder, lock)
        except EmbeddedError as error:
            _logger.error(error.sentence)


def _leave(folder: Folder, held: int) -> None:
    """Give the lease back; the last user waits for the server's end."""
    os.close(held)
    with explained(folder.root):
        for _ in locks.moments(_LEAVE_SECONDS):
            if not (_vacant(folder) and locks.owned(folder.keeper_lock)):
                return


def _vacant(folder: Folder) -> bool:
    """Nobody has a lease: it can be had exclusively, or cannot even be shared because the keeper has it by now."""
    with locks.tried(folder.lease) as vacant:
        if vacant is not None:
            return True
    return locks.owned(folder.lease)
