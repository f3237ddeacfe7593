"""Before the first unit: how many are needed, what can be found with those there are, and how long it takes.

`n` is always the number of control units; there are `ratio` treatment units to each of them. Power is the chance of a
significant difference in the true direction. A method that makes each unit tell more (CUPED) or less (clusters) comes
in through the variance or as a factor on n: see `factors`; so do many looks: see `policy`.
"""
