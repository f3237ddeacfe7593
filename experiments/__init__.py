"""Who saw what, and what it did to a KPI: experiments, exposures, aggregates, evaluation, verdict."""
