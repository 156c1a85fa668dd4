"""Many stages of a DVC pipeline at once: DVC's graph, what fits on the machine, a live view."""
