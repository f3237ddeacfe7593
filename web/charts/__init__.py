"""Charts as SVG text, drawn from plain numbers: no page, no data shape and no other package is known here.

The colours live in the style sheet (classes such as `mark-better`), so one drawing serves light, dark and print.
"""
