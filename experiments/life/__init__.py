"""What people do to an experiment, from its launch to its decision, and what was published meanwhile."""
