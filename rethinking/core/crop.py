"""The centre crop, which comes before everything else that is done to an image (paper, section 3)."""

import numpy as np


def centre_crop(images: np.ndarray, size: int) -> np.ndarray:
    """A view of the central size x size pixels of images (N, H, W, C)."""
    top = (images.shape[1] - size) // 2
    left = (images.shape[2] - size) // 2
    return images[:, top : top + size, left : left + size]
