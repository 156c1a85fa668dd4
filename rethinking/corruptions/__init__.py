"""The corruptions of section 2.1 of the paper, one file each.

A module defines `corrupt(data, request)`, which returns the arrays that change, by their names in the contract, and
`audit(data, changed, request)`, which judges those arrays alone, without knowing how they were drawn, and returns a
dict of findings with `ok`. `HAS_LEVEL = True` says that the level means something to it. Each is fixed once, before
training, and drawn from the corruption's own random stream.
"""
