"""Units at risk: who of a KPI's units stands worst and why, whether that tells who leaves, and marking them."""
