"""A simulated company year with known truth, run through the API, and how often its verdicts were right.

    python -m benchmarks.year [--experiments 200] [--seed 1] [--out docs/year.md]

Each experiment is registered, sealed and started on its day, gets its data as a company sends them, is read when its
policy allows, and is stopped and decided as the verdict says. Then the verdicts are held against the truth.
"""
