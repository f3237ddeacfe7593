"""A KPI over time: where it is going, whether it has moved, and against what. Periods are the last axis, oldest first.

Values come with their standard errors, the sampling error of each period. That the periods also differ for other
reasons, and resemble their neighbours, is estimated and never taken as nothing.
"""
