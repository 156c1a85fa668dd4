"""What the project makes of the paper's claims: the look of its figures."""
