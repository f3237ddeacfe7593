"""What many experiments say together: evidence, learnings, search, figures."""
