"""Live the year, write it down, and end with 1 when a promise is broken."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import year
from benchmarks.peers import show
from benchmarks.year.document import Year, document
from benchmarks.year.place import year_of_its_own

OUT = Path("docs/year.md")


def main() -> None:
    """Live one year as the arguments say."""
    arguments = argparse.ArgumentParser(description=year.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--experiments", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--out", type=Path, default=OUT)
    given = arguments.parse_args()
    if given.experiments < 1 or given.seed < 0:
        arguments.error("there is an experiment or more, and a seed is not negative")
    conclusions = asyncio.run(year_of_its_own(experiments=given.experiments, seed=given.seed, tell=show))
    lived = Year(experiments=given.experiments, seed=given.seed, conclusions=conclusions)
    written = document(lived, on=datetime.now(UTC).date())
    given.out.write_text(written, encoding="utf-8")
    show(written)
    sys.exit(1 if lived.failures else 0)


if __name__ == "__main__":
    main()
