"""The rows of a company with a dozen accounts, over the year that ends with June 2026.

Its KPIs are read on the first of July: months and quarters end with June, the last whole week with Sunday the 28th. So
365 days begin with 1 July 2025, 91 with 1 April, 28 of a month with 3 June and of a week with 1 June. Rows beside those
edges, which must not count, say so.
"""

Row = tuple[str, str, str, float | None]
"""Unit, event, moment and value."""

MEMBERS = {"u1": "a01", "u2": "a01", "u3": "a03", "u7": "a07", "u8": "a07"}
"""Who belongs to which account, all the time."""

MRR: dict[str, list[tuple[str, float]]] = {
    "a01": [("2025-06-15", 500), ("2026-02-01", 900)],
    "a02": [("2025-06-15", 1000), ("2026-03-10", 0)],
    "a03": [("2025-06-15", 1200)],
    "a04": [("2025-06-15", 800), ("2025-11-01", 600)],
    "a05": [("2025-06-15", 300), ("2025-12-31", 0), ("2026-05-01", 350)],  # left and came back
    "a06": [("2025-06-15", 400)],
    "a07": [("2025-06-15", 2000), ("2026-04-15", 2600)],
    "a08": [("2025-10-01", 700)],
    "a09": [("2025-06-15", 150)],
    "a10": [("2025-06-15", 600), ("2026-06-30", 0)],  # left after the last week, within the last month
    "a11": [("2026-01-12", 250)],
    "a12": [("2026-02-03", 450)],
}
SEATS: dict[str, list[tuple[str, float, float]]] = {
    # day, seats paid for, seats in use
    "a01": [("2026-01-01", 10, 9), ("2026-05-01", 20, 15)],
    "a03": [("2026-01-01", 40, 10)],
    "a07": [("2026-01-01", 60, 54)],
}
RENEWALS: list[tuple[str, str, float, float | None, float]] = [
    # account, day, ARR due, ARR renewed (None: lost), ARR forecast
    ("a06", "2025-06-30", 4800, 4800, 4800),  # the day before the year
    ("a04", "2025-11-01", 9600, 7200, 9600),
    ("a05", "2025-12-31", 3600, None, 0),
    ("a01", "2026-02-01", 6000, 6000, 7000),
    ("a02", "2026-03-10", 12000, None, 12000),
    ("a07", "2026-04-15", 24000, 24000, 20000),
    ("a03", "2026-05-01", 14400, 14400, 14400),
]
ACCOUNTS = """
a08 account_created           2025-10-01T09:00
a08 onboarding_task_assigned  2025-10-01T09:00 1
a08 onboarding_task_assigned  2025-10-01T09:00 2
a08 onboarding_task_assigned  2025-10-01T09:00 3
a08 onboarding_task_assigned  2025-10-01T09:00 4
a08 onboarding_task_completed 2025-10-03T10:00 1
a08 onboarding_task_completed 2025-10-04T10:00 2
a08 onboarding_task_completed 2025-10-05T10:00 2
a08 onboarding_task_completed 2025-11-10T10:00 3   # after 30 days
a08 adoption_reached          2025-11-10T12:00     # on day 40
a08 onboarding_completed      2025-11-20T09:00     # after 45 days
a08 pqa_reached               2026-03-01T09:00     # after 90 days
a08 opportunity_created       2026-04-10T09:00     # 40 days after that
a11 account_created           2026-01-12T09:00
a11 onboarding_task_assigned  2026-01-12T09:00 1
a11 onboarding_task_assigned  2026-01-12T09:00 2
a11 onboarding_task_assigned  2026-01-12T09:00 3
a11 onboarding_task_completed 2026-01-13T09:00 1
a11 onboarding_task_completed 2026-01-20T09:00 2
a11 onboarding_task_completed 2026-02-01T09:00 3
a11 onboarding_completed      2026-02-01T09:00
a11 pqa_reached               2026-03-01T09:00
a11 opportunity_created       2026-05-10T09:00     # 70 days after that
a12 account_created           2026-02-03T09:00
a12 onboarding_task_assigned  2026-02-03T09:00 1
a12 onboarding_task_assigned  2026-02-03T09:00 2
a12 adoption_reached          2026-02-13T09:00     # on day 10

a01 renewal_window_opened     2025-10-04T10:00
a01 renewal_conversation_held 2025-10-09T15:00     # on day 5
a03 renewal_window_opened     2026-01-01T09:00
a03 renewal_conversation_held 2026-01-01T18:00     # on day 0
a04 renewal_window_opened     2025-07-04T09:00

a02 risk_flagged              2026-01-10T00:00
a04 risk_flagged              2025-10-01T08:00
a04 account_saved             2025-10-21T09:00     # on day 20
a09 risk_flagged              2025-09-01T00:00

a01 outcome_agreed            2025-08-01T00:00 1
a01 outcome_agreed            2025-08-01T00:00 2
a01 outcome_agreed            2025-08-01T00:00 3
a01 outcome_attained          2026-01-15T00:00 1
a01 outcome_attained          2026-05-15T00:00 3
a03 outcome_agreed            2025-09-01T00:00 1
a03 outcome_agreed            2025-09-01T00:00 2
a07 outcome_agreed            2025-09-01T00:00 1
a07 outcome_agreed            2026-01-01T00:00 1   # the same again
a07 outcome_attained          2026-04-01T00:00 1
a06 outcome_agreed            2025-06-30T00:00 1   # before the year

a01 expansion_closed          2025-10-01T00:00 1200
a01 expansion_closed          2026-02-01T00:00 4800
a01 expansion_won             2026-02-01T00:00 4800
a03 expansion_closed          2026-03-01T00:00 2400
a06 expansion_closed          2026-03-05T00:00 2400
a07 expansion_closed          2026-04-15T00:00 7200
a07 expansion_won             2026-04-15T00:00 7200

a01 revenue_booked            2026-04-30T00:00 900
a01 revenue_booked            2026-05-31T00:00 900
a01 revenue_booked            2026-06-30T00:00 900
a03 revenue_booked            2026-04-30T00:00 1200
a03 revenue_booked            2026-05-31T00:00 1200
a03 revenue_booked            2026-06-30T00:00 1200
a07 revenue_booked            2026-04-30T00:00 2600
a07 revenue_booked            2026-05-31T00:00 2600
a07 revenue_booked            2026-06-30T00:00 2600
a01 service_cost              2026-04-30T00:00 310
a01 service_cost              2026-06-30T00:00 290
a03 service_cost              2026-05-31T00:00 500
a07 service_cost              2026-05-31T00:00 1200
a02 service_cost              2026-03-31T00:00 90  # before the 91 days

a01 sentiment_noted           2026-05-02T00:00 0.3
a07 sentiment_noted           2026-05-02T00:00 -0.1
a07 sentiment_noted           2026-06-02T00:00 0.5
a03 sentiment_noted           2026-03-31T23:00 -1  # before the 91 days

a03 reference_given           2026-04-02T00:00
a07 reference_given           2026-05-02T00:00
a07 reference_given           2026-06-02T00:00
a07 reference_given           2026-03-20T00:00     # before the 91 days
a01 review_published          2026-06-10T00:00
a07 review_published          2026-06-20T00:00
a07 review_published          2026-05-31T00:00     # before the 28 days
"""
PEOPLE = """
u1 session_started   2026-06-02T08:00
u1 session_started   2026-06-02T15:00
u1 session_started   2026-06-09T08:00
u1 session_started   2026-06-23T08:00
u2 session_started   2026-06-02T09:00
u2 session_started   2026-06-16T09:00
u3 session_started   2026-06-05T09:00
u7 session_started   2026-06-22T09:00
u7 session_started   2026-06-23T09:00
u7 session_started   2026-06-24T09:00
u8 session_started   2026-05-31T23:00            # before the 28 days
u8 session_started   2026-06-29T00:00            # after them
u1 feature_used      2026-06-02T08:01 12
u1 feature_used      2026-06-09T08:01 12
u1 feature_used      2026-06-23T08:01 5
u2 feature_used      2026-06-02T09:01 7
u3 feature_used      2026-06-05T09:01 12
u7 feature_used      2026-06-22T09:01 1
u7 feature_used      2026-06-22T09:02 2
u7 feature_used      2026-06-23T09:01 3
u1 pxq_signal        2026-06-02T08:05
u1 pxq_signal        2026-06-09T08:05
u7 pxq_signal        2026-06-24T09:05
u1 department_active 2026-06-09T08:00 1
u2 department_active 2026-06-16T09:00 2
u7 department_active 2026-06-22T09:00 4
u7 department_active 2026-06-23T09:00 4
u3 department_active 2026-06-02T09:00 9          # before the 28 days of June
u1 ticket_opened     2026-06-03T08:00
u2 ticket_opened     2026-06-16T09:30
u7 ticket_opened     2026-06-22T10:00
u7 ticket_opened     2026-06-23T10:00
u7 ticket_opened     2026-06-24T10:00
u3 ticket_opened     2026-05-31T23:59            # before the 28 days
u3 ticket_opened     2026-06-29T01:00            # after them
u1 survey_answered   2026-04-30T10:00 0.6
u2 survey_answered   2026-04-30T11:00 0.2
u3 survey_answered   2026-05-01T10:00 -0.5
u7 survey_answered   2026-04-30T10:00 1
u7 survey_answered   2026-06-30T10:00 0
u3 survey_answered   2026-03-31T23:00 1          # before the 91 days
u1 service_rated     2026-06-04T08:00 1
u3 service_rated     2026-05-01T10:00 -0.5
u7 service_rated     2026-06-23T10:00 0.5
u8 service_rated     2026-06-23T10:00 0

n1 signed_up         2026-02-02T08:00
n1 session_started   2026-02-02T08:30
n1 first_value       2026-02-02T12:00            # on day 0
n1 value_reached     2026-02-02T12:00
n1 key_action        2026-02-02T12:00
n1 session_started   2026-02-02T20:00
n1 session_started   2026-02-03T07:30            # on day 0 still
n1 activated         2026-02-05T08:00
n1 key_action        2026-02-05T08:00
n1 session_started   2026-02-09T09:00            # on day 7
n1 value_reached     2026-02-10T08:00            # the second, on day 8
n1 key_action        2026-02-10T08:00
n1 session_started   2026-02-12T08:00            # on day 10
n1 key_action        2026-02-16T08:00            # after 14 days
n1 session_started   2026-03-04T09:00            # on day 30
n2 signed_up         2026-02-03T09:00
n2 session_started   2026-02-03T09:10
n2 key_action        2026-02-03T09:10
n2 session_started   2026-02-11T08:00            # on day 7
n2 first_value       2026-02-20T09:00            # on day 17
n2 value_reached     2026-02-20T09:00
n2 activated         2026-02-20T09:00            # after 7 days
n2 session_started   2026-03-20T09:00            # on day 45
n3 signed_up         2026-02-10T10:00
n3 session_started   2026-02-10T10:05
n3 session_started   2026-02-22T10:00            # on day 12
n4 signed_up         2026-02-11T10:00
n4 session_started   2026-02-11T10:05
n4 key_action        2026-02-11T10:05
n4 key_action        2026-02-12T10:05
n4 user_deleted      2026-02-15T10:00            # on day 4
"""


def rows() -> list[Row]:
    """All rows of the ledger."""
    states = [(account, "mrr", day, amount) for account, levels in MRR.items() for day, amount in levels]
    for account, days in SEATS.items():
        for day, seats, active in days:
            states += [(account, "seats", day, seats), (account, "seats_active", day, active)]
    for account, day, due, renewed, forecast in RENEWALS:
        states += [(account, "renewal_due", day, due), (account, "renewal_forecast", day, forecast)]
        states += [] if renewed is None else [(account, "renewal_won", day, renewed)]
    return [(unit, event, f"{day}T00:00:00Z", value) for unit, event, day, value in states] + [
        _row(line) for line in (ACCOUNTS + PEOPLE).splitlines() if line.strip()
    ]


def _row(line: str) -> Row:
    unit, event, moment, *value = line.partition("#")[0].split()
    return unit, event, f"{moment}:00Z", float(value[0]) if value else None
