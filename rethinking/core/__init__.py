"""What every folder of the library uses."""
