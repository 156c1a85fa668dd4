"""What is run by hand, never by DVC."""
