"""From pixels to network inputs (paper, section 3): a centre crop, then each image standardised by itself."""

import numpy as np
import torch
from torch import Tensor

from rethinking.core.crop import centre_crop

BLOCK = 5000


def network_inputs(images: np.ndarray, size: int, device: torch.device, precision: str = "float32") -> Tensor:
    """Images (N, H, W, C) centre-cropped and standardised, as (N, size, size, C) on the device: for `bf16` in bfloat16,
    as autocast would make them of float32 in every step, otherwise in float32.
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    inputs = torch.empty((len(images), size, size, images.shape[-1]), device=device, dtype=dtype)
    for start in range(0, len(images), BLOCK):
        block = torch.from_numpy(centre_crop(images[start : start + BLOCK], size).copy())
        inputs[start : start + BLOCK] = standardise(block.to(device))
    return inputs


def standardise(images: Tensor) -> Tensor:
    """Scale pixels to [0, 1]; subtract each image's mean, divide by max(std, 1/sqrt(number of elements)).

    TensorFlow's `per_image_whitening`. (N, H, W, C) of any dtype in, the same shape in float32 out.
    """
    scaled = images.float() / 255
    std, mean = torch.std_mean(scaled, dim=(1, 2, 3), keepdim=True, correction=0)
    return (scaled - mean) / std.clamp(min=images[0].numel() ** -0.5)
