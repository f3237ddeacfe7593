"""How lists are asked for: what of a noun they may be ordered by, and which of its rows may be meant.

A field of an order is a column, and one of a filter the column of its name; only what the noun shows is asked for, for
who may ask whether a text contains a letter soon knows all of it. A column that a long list is ordered by has an index.
"""
