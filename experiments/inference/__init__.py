"""From aggregates to what may be concluded: arrays, looks, findings, the verdict."""
