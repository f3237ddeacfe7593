"""What the Python peers answer; each script runs in its peer's own environment, through `ask`."""
