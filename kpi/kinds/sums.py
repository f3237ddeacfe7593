"""What a unit's outcomes add up to, in SQL over those `o` of them that meet a condition."""

SUMS = {
    "VALUE": "coalesce(sum(o.value) FILTER (WHERE {only}), 0)",
    "AVERAGE": "coalesce(avg(o.value) FILTER (WHERE {only}), 0)",
    "COUNT": "(count(*) FILTER (WHERE {only}))::float8",
    "DAYS": "(count(DISTINCT floor(extract(epoch FROM o.occurred_at - e.exposed_at) / 86400))"
    " FILTER (WHERE {only}))::float8",
    "DISTINCT": "(count(DISTINCT o.value) FILTER (WHERE {only}))::float8",
    "ANY": "(count(*) FILTER (WHERE {only}) > 0)::int::float8",
}
"""The events' values, their average, the events, the unit's own days of 24 hours with one, different values, any."""
LATEST = (
    "coalesce((max(ARRAY[extract(epoch FROM o.occurred_at)::float8, o.value])"
    " FILTER (WHERE {only} AND o.value IS NOT NULL))[2], 0)"
)
"""Arrays are compared number by number: by time, and of one moment by size, so that the answer is always the same."""


def added_up(of: str, only: str) -> str:
    """SQL of what outcomes that meet a condition come to; 0 without any. Raises KeyError for no such way."""
    return SUMS[of].format(only=only)


def latest(only: str) -> str:
    """SQL of the value that was sent last among outcomes that meet a condition; 0 without any."""
    return LATEST.format(only=only)
