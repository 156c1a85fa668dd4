"""What the parts of the theory share."""
