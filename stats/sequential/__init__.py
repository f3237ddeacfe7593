"""Judging an experiment while it runs: planned looks (group sequential) and any look at all (always valid)."""
