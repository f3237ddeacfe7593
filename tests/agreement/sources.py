"""Who is asked: R and the Python peers, with the answers they gave."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import peers
from tests.agreement.inputs import FILE

HERE = Path(__file__).parent
ENVIRONMENTS = Path(sys.prefix) / "peers"
NO_R = (
    "R or a package of it is missing and left out; on Debian: apt-get install --no-install-recommends r-base-core "
    "r-cran-jsonlite r-cran-survival r-cran-metafor r-cran-rpact r-cran-epi r-cran-sandwich r-cran-clubsandwich "
    "r-cran-estimatr"
)


class Absent(LookupError):
    """The source is not installed here; the sentence says how to get it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A script, and the answers it gave when it was last asked."""

    script: Path
    peer: str | None = None  # a key of `peers.PINS`; without one it is R

    @property
    def file(self) -> Path:
        """Where the answers are kept."""
        return self.script.with_suffix(".json")

    def kept(self) -> dict[str, Any]:
        """The answers kept, with the versions they came from."""
        found: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        return found

    def asked(self) -> dict[str, Any]:
        """The answers given now. Raises Absent where the source is not installed."""
        found: dict[str, Any] = json.loads(_output(self.script, self.peer))
        return found


@cache
def _output(script: Path, peer: str | None) -> str:
    command = _python(script, peer) if peer else _r(script)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if missing := re.search("there is no package called .*", done.stderr):
        raise Absent(f"{missing[0]}; {NO_R}")
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def _r(script: Path) -> list[str]:
    rscript = shutil.which("Rscript")
    if rscript is None:
        raise Absent(NO_R)
    return [rscript, str(HERE / "r" / "ask.R"), str(script), str(FILE)]


def _python(script: Path, peer: str) -> list[str]:
    python = peers.installed(peer, ENVIRONMENTS)
    if python is None:
        raise Absent(f"{peer} has no environment: make agreement")
    packages = [pin.split("==")[0] for pin in peers.PINS[peer]]
    return [str(python), "-I", "-W", "ignore", str(HERE / "peers" / "ask.py"), str(script), str(FILE), *packages]


SOURCES: Mapping[str, Source] = {
    **{f"R {path.stem}": Source(script=path) for path in sorted((HERE / "r").glob("*.R")) if path.stem != "ask"},
    "lifelines": Source(script=HERE / "peers" / "lifelines.py", peer="lifelines"),
    "tea-tasting": Source(script=HERE / "peers" / "tea_tasting.py", peer="tea-tasting"),
    "gbstats": Source(script=HERE / "peers" / "gbstats.py", peer="gbstats"),
    "savvi": Source(script=HERE / "peers" / "savvi.py", peer="savvi"),
}


if __name__ == "__main__" and shutil.which("Rscript") is None:
    print(NO_R)  # noqa: T201 - said before the tests that it skips
