"""How often the shipped methods err, by whole experiments of which the truth is known.

`scenarios` draws them by the thousand, `families` judges them as the service would, and `table` counts what came out
and holds it against what each family promises.
"""
