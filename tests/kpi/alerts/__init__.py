"""Alerts on KPIs."""
