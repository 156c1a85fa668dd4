"""What the paper claims and prints, in numbers and words, and how ours compares."""
