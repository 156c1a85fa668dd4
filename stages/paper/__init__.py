"""The paper's claims, figures and report."""
