"""The three tables that analysis reads: what derives them, what is handed in, kept, given out and forgotten."""
