"""The corruptions of section 2.1 of the paper, one file each.

A module defines two functions. `corrupt(data, request)` returns the arrays that change, by the names of their files.
`audit(data, changed, request)` judges these arrays without knowing how they were drawn, and returns findings with `ok`.
A module that has levels sets `HAS_LEVEL = True`. Each corruption is drawn once, before training, from its own random
stream.
"""
