"""Models of torchvision, one file each."""
