"""The small AlexNet: 1,387,786 parameters on 28x28x3 with 10 classes (appendix A).

Two modules of convolution 5x5, max-pool 3x3 stride 2 and local response normalisation, then fully connected layers of
384 and 192 units: the network of TensorFlow's CIFAR-10 tutorial. Stride-2 pools pad (1, 1), torch's way.

Initialisation: Glorot uniform weights and zero biases, the default of TensorFlow, in which the paper's models were
written. The paper does not state its own. He's larger weights start this network at a loss from which it does not
recover on random labels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from rethinking.models.parts.network import ImageShape, initialise

WIDTH = 64


class ResponseNorm(nn.Module):
    """Local response normalisation x / (1 + a * (sum of x^2 over 9 neighbouring channels))^0.75, a = 0.001 / 9.

    Equals `torch.nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1)` to rounding, and is several times faster: the
    window is one banded 1x1 convolution, and u^-0.75 is rsqrt(u) times the square root of rsqrt(u).
    """

    def __init__(self, channels: int):
        super().__init__()
        position = torch.arange(channels)
        band = ((position[:, None] - position[None, :]).abs() <= 4).float() * (0.001 / 9)
        self.band = nn.Buffer(band[:, :, None, None], persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        window = functional.conv2d(features * features, self.band, bias=None)
        root = torch.rsqrt(1 + window)
        return features * (root * torch.sqrt(root))


def _module(channels_in: int) -> list[nn.Module]:
    """Convolution, pool, normalisation. ReLU follows the pool, with which it commutes, on a quarter of the values."""
    convolution = nn.Conv2d(channels_in, WIDTH, 5, padding=2)
    return [convolution, nn.MaxPool2d(3, 2, padding=1), nn.ReLU(inplace=True), ResponseNorm(WIDTH)]


def build(image_shape: ImageShape, classes: int, dropout: float) -> nn.Module:
    """Build for images of shape (C, H, W)."""
    channels, height, width = image_shape
    features = WIDTH * -(-height // 4) * -(-width // 4)
    model = nn.Sequential(
        *_module(channels),
        *_module(WIDTH),
        nn.Flatten(),
        nn.Linear(features, 384),
        nn.ReLU(inplace=True),
        nn.Linear(384, 192),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(192, classes),
    )
    return initialise(model, nn.init.xavier_uniform_)
