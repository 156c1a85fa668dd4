"""Every figure of every pipeline, in one style."""
