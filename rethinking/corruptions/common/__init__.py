"""What the corruptions share."""
