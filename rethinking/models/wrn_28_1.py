"""Wide ResNet 28-1 (Zagoruyko and Komodakis 2016): 369,498 parameters with 10 classes, for 32x32 images.

Not in the paper; three of its reproductions train it. Pre-activation blocks, four to a group, widths 16, 32, 64.

Initialisation: He normal (fan out) for convolutions, He normal (fan in) for the linear layer, zero bias, batch
normalisation at scale one and shift zero.
"""

from torch import Tensor, nn

from rethinking.models.parts.network import ImageShape, initialise

BLOCKS_PER_GROUP = 4


class Block(nn.Module):
    """BN, ReLU, convolution, twice, beside a shortcut; the shortcut is a 1x1 convolution where the width changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.activate = nn.Sequential(nn.BatchNorm2d(channels_in), nn.ReLU(inplace=True))
        self.residual = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
        )
        self.shortcut = (
            nn.Conv2d(channels_in, channels_out, 1, stride, bias=False) if channels_in != channels_out else None
        )

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels_in, H, W) to (N, channels_out, H / stride, W / stride)."""
        activated = self.activate(features)
        shortcut = features if self.shortcut is None else self.shortcut(activated)
        return shortcut + self.residual(activated)


def build(image_shape: ImageShape, classes: int, dropout: float) -> nn.Module:
    """Build for images of shape (C, H, W)."""
    layers: list[nn.Module] = [nn.Conv2d(image_shape[0], 16, 3, padding=1, bias=False)]
    channels = 16
    for width, stride in [(16, 1), (32, 2), (64, 2)]:
        for block in range(BLOCKS_PER_GROUP):
            layers.append(Block(channels, width, stride if block == 0 else 1))
            channels = width
    head = [nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout)]
    model = nn.Sequential(*layers, *head, nn.Linear(channels, classes))
    return initialise(model, _he_normal)


def _he_normal(weight: Tensor) -> None:
    nn.init.kaiming_normal_(weight, mode="fan_out" if weight.ndim == 4 else "fan_in", nonlinearity="relu")
