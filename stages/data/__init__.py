"""Image data as arrays on disk: where it comes from, how it is corrupted, prepared and augmented."""
