"""What the data sets share: archives, downloads, image files."""
