"""The paper's architectures (its appendix A), one file each, found by name; timm/ and torchvision/ have others.

A module defines `build(image_shape, classes, dropout)` and returns a network from standardised images (N, C, H, W)
float to logits (N, classes), initialised from torch's global generator as its docstring says.
"""
