"""Training a network: the loop and its step, evaluation, checkpoints, and what determines a run."""
