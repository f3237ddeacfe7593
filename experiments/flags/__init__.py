"""Which variant a unit gets: assignment by a published hash, layers, holdouts, and what is shipped."""
