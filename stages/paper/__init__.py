"""What the paper says and how ours compares: claims as data, figures in the paper's form, and the report."""
