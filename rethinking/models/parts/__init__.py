"""What the architectures are built from."""
