"""What a peer answers to the questions of one script:  python -I ask.py script.py inputs.json package ...

Runs in the peer's own environment, without this project. Prints JSON: the versions of the packages named, and what the
script's function `answers` returns for the inputs.
"""

import json
import runpy
import sys
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    """Ask and print."""
    script, inputs, *packages = sys.argv[1:]
    answers = runpy.run_path(script)["answers"](json.loads(Path(inputs).read_text(encoding="utf-8")))
    told = {"versions": {package: version(package) for package in packages}, "answers": answers}
    sys.stdout.write(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
