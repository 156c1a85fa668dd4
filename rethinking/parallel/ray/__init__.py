"""Many stages at once on the nodes of a Ray cluster."""
