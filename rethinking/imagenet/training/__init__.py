"""A row of table 2, trained by several processes together."""
