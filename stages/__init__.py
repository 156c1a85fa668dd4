"""The stages of the reproduction of Zhang et al. 2017, one entry module each, and the library they call."""
