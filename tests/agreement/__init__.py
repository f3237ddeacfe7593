"""Whether independent implementations give the same answers as we do, to nine digits (six after a long recursion).

Each source (R with Debian's packages, or a Python peer in an environment of its own) answers questions about the
numbers of `inputs.json`. Its answers are kept beside its script, with the versions they came from, and every run of the
tests holds ours against them. `make agreement` asks the sources again, and prints the table of docs/statistics.md.
"""
