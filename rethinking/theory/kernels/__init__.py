"""Exact Gaussian-kernel interpolation of tens of thousands of points."""
