"""What the service tells of itself to those who run it: logs, metrics and traces, none with a word of the data."""
