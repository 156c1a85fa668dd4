"""Many stages of a DVC pipeline at once: DVC's own graph, what fits on the machine, one live view."""
