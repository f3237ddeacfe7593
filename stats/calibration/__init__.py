"""How often the shipped methods err, by whole experiments of which the truth is known.

`scenarios` draws them by the thousand, `families` judges them as the service would, and `table` counts what came out
and holds it against what each family promises. `decision` asks how long it takes to decide, `sample_ratio` how often
the check of the split alarms.
"""
