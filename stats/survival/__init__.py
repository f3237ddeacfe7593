"""Time to first value: what can be said while many units have not got there yet.

Time is counted in whole days from a unit's exposure. Duration cell j (0, 1, 2, ...) is the (j + 1)-th day; whatever
happens in it is taken to happen at its end, at time j + 1, events before losses.
"""
