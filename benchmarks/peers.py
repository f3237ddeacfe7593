"""The peers we measure ourselves against, each in a virtual environment of its own.

    python -m benchmarks.peers FOLDER [PEER ...]

makes what is missing of them, or of those named. Exact versions of what decides speed and digits: left alone, an
installer may settle for a release of years ago.
"""

import argparse
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

PINS: Mapping[str, tuple[str, ...]] = {
    "gbstats": ("gbstats==0.8.0", "numpy==1.26.4", "pandas==1.5.3", "scipy==1.17.1", "pydantic==2.14.3"),
    "tea-tasting": ("tea-tasting==1.14.0", "numpy==2.4.6", "scipy==1.17.1", "pyarrow==26.0.1"),
    "lifelines": ("lifelines==0.30.3", "numpy==2.4.6", "scipy==1.17.1", "pandas==2.3.3"),
    "statsmodels": ("statsmodels==0.15.0", "numpy==2.4.6", "scipy==1.17.1", "pandas==2.3.3"),
    # savvi imports matplotlib without asking for it.
    "savvi": ("savvi==0.3.1", "numpy==2.4.6", "scipy==1.17.1", "cvxpy==1.9.3", "matplotlib==3.11.2"),
    "tea-tasting-postgres": (
        "tea-tasting==1.14.0",
        "ibis-framework[postgres]==12.0.0",
        "psycopg[binary]==3.3.9",
        "packaging==26.3",  # which ibis imports without asking for it
        "numpy==2.4.6",
        "scipy==1.17.1",
        "pyarrow==26.0.1",
    ),
    # The scanner as a package of the same version: elsewhere it is downloaded at the first use.
    "duckdb": ("duckdb==1.5.5", "duckdb-extension-postgres-scanner==1.5.5"),
}


def environment(peer: str, folder: Path) -> Path | None:
    """The Python of a peer's own virtual environment, made if it is not there; None where it cannot be installed."""
    if python := installed(peer, folder):
        return python
    home = folder / peer
    venv.create(home, clear=True, with_pip=True)
    install = [str(_python(home)), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *PINS[peer]]
    done = subprocess.run(install, capture_output=True, text=True, check=False)  # noqa: S603 - pinned above
    if done.returncode:
        show(f"{peer} cannot be installed here and is left out: {done.stderr.strip().splitlines()[-1]}")
        return None
    (home / "pins.txt").write_text(_pins(peer))
    return _python(home)


def installed(peer: str, folder: Path) -> Path | None:
    """The Python of the environment, if it is there with these very pins."""
    stamp = folder / peer / "pins.txt"
    return _python(folder / peer) if stamp.exists() and stamp.read_text() == _pins(peer) else None


def show(line: str) -> None:
    """Print at once: some steps take long."""
    print(line, flush=True)  # noqa: T201 - a benchmark prints


def _python(home: Path) -> Path:
    return home / "bin" / "python"


def _pins(peer: str) -> str:
    return "\n".join((sys.version, *PINS[peer]))


def main() -> None:
    """Make them."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("peers", nargs="*", default=list(PINS))
    given = arguments.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for peer in given.peers:
        environment(peer, folder)


if __name__ == "__main__":
    main()
