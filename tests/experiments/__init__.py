"""Who saw what, and what may be concluded from it."""
