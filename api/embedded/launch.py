"""Getting everything ready for Postgres, and a keeper on its way."""

import os
import subprocess
import sys
from pathlib import Path

from api.embedded import cluster, log, sockets
from api.embedded.account import Account
from api.embedded.binaries import Binaries
from api.embedded.folder import Folder
from api.embedded.server import Server

_IMPORTS_FROM = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), *sys.path]))
"""The keeper finds its modules where this process does, never in the folder somebody happens to be in."""


def launch(folder: Folder, keeper_lock: int) -> None:
    """Start a keeper, which inherits the lock given. Raises EmbeddedError or OSError."""
    account = Account.choose(folder.pgdata)
    account.require_way_to(folder.root)
    binaries = Binaries.installed()
    reachable = binaries.within_reach(account, folder.root)
    cluster.ensure(folder, reachable, account)
    socket_dir = sockets.prepare(folder, account)
    _spawn(Server(folder=folder, socket_dir=socket_dir, binaries=reachable, account=account), keeper_lock)


def _spawn(server: Server, keeper_lock: int) -> None:
    # What becomes of it shows in the locks alone, so it is not asked how it fared.
    output = log.appending(server.folder.log)
    try:
        subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-P", "-m", "api.embedded.keeper", *server.arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[keeper_lock],
            start_new_session=True,  # Ctrl-C is for the user, not for what others share
            cwd="/",
            env=os.environ | {"PYTHONPATH": _IMPORTS_FROM},
        )
    finally:
        os.close(output)
