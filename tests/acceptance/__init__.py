"""Known answers on real experiments."""
