"""Measurements side by side in one run: each prints a ratio against a named peer or limit, the best of several."""
