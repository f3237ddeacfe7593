"""What KPIs were outside experiments."""
