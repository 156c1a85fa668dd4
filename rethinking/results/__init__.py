"""What Git keeps of runs: collected, read back and compared."""
