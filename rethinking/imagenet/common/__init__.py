"""What the scan and the training share: the parameters, and where every image lies."""
