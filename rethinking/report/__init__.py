"""The HTML page of claims, figures, tables and runs."""
