"""Models of the timm library, one file each."""
