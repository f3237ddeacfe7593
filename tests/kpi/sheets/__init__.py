"""KPIs in files."""
