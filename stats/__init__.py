"""Statistics for experiments: summary numbers in, frozen values out.

Pure: no database, no web. Every function works on arrays with any leading axes (KPIs, variants, segments, days) in
one call. A question without an answer is NaN together with a reason in the arrays, and `Undefined` in the typed face.
"""
