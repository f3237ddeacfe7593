"""Alerts on KPIs: what is watched (conditions), what is raised and cleared (lifecycle), and what people say of it."""
