"""What is measured, and what is believed about it: KPIs, baselines, hypotheses, outcomes. Never knows experiments."""
