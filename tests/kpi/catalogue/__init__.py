"""The shipped KPIs."""
