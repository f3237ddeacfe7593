"""The edge: every way in, every way out, every process."""
