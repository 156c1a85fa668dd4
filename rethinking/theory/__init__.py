"""Sections 4 and 5 of the paper: expressivity, the least norm, kernels."""
