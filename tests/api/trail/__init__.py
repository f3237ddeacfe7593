"""The audit trail: what is told, what is not, and what is found out."""
