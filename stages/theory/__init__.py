"""Sections 4 and 5 of the paper as library code: expressivity, minimum-norm solutions, kernels and their features."""
