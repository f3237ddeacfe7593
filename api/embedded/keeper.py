"""The keeper: a process of its own that runs Postgres as long as anybody needs it, and ends with it.

Users come and go, in any order and by any death; the keeper outlives them all and is told by the kernel, through the
lease, when none is left. Killed itself, it takes Postgres with it, and the next user starts another keeper.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from api.embedded import locks, log
from api.embedded.server import Server

_STEP_SECONDS = 0.04
_READY_STEP_SECONDS = 0.1
_PAUSE_SECONDS = 0.1
"""By how much the pause before a new start grows with every short life."""

_SHORT_LIFE_SECONDS = 10.0
_MOST_SHORT_LIVES = 5
"""After as many short lives of a server in a row the keeper gives up; its users see that and say so."""


def main() -> None:
    """Run as `python -m api.embedded.keeper` with a Server's arguments, by `launch` only.

    The keeper's lock is among the inherited descriptors and stays open until this process ends.
    """
    server = Server.from_arguments(sys.argv[1:])
    if os.fork() != 0:
        os._exit(0)  # nobody's child: no user has to bury it
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # told to end with its users, it ends after them
    keep(server)


def keep(server: Server) -> None:
    """Keep a server running until no user is left. Returns early if it dies over and over."""
    lease = locks.opened(server.folder.lease)  # held, once taken, until this process has ended
    short_lives = 0
    while short_lives < _MOST_SHORT_LIVES and not locks.exclusive(lease):
        time.sleep(short_lives * _PAUSE_SECONDS)
        born = time.monotonic()
        _live(server, lease)
        short_lives = short_lives + 1 if time.monotonic() - born < _SHORT_LIFE_SECONDS else 0
    with suppress(OSError):  # a killed server has left its socket there, and the next takes it over
        server.socket_dir.rmdir()


def _live(server: Server, lease: int) -> None:
    """One life of a server: it dies, or is stopped because no user is left."""
    process = server.start()
    while _goes_on(process, lease) and not server.answers(process):
        time.sleep(_STEP_SECONDS)
    if _goes_on(process, lease):
        with _ready(server):
            while _goes_on(process, lease):
                log.bound(server.folder.log)
                time.sleep(_READY_STEP_SECONDS)
    if process.poll() is None:
        server.stop(process)


def _goes_on(process: subprocess.Popen[bytes], lease: int) -> bool:
    return process.poll() is None and not locks.exclusive(lease)


@contextmanager
def _ready(server: Server) -> Iterator[None]:
    """Inside, users are told that the server answers, and in which folder."""
    with locks.awaited(server.folder.ready_lock, 1.0) as descriptor:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, os.fsencode(server.socket_dir), 0)
        yield


if __name__ == "__main__":
    main()
