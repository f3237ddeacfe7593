"""The audit trail: who changed what and when, written with the change, chained by hashes, never rewritten."""
