"""Speed, measured as ratios within one run: this engine, the loops people use, and the machine's own limits."""
