"""The multi-layer perceptrons of the paper's appendix A."""

from math import prod

from torch import Tensor, nn

from rethinking.models.parts.network import ImageShape, initialise


class FlattenPixels(nn.Module):
    """(N, C, H, W) to (N, H*W*C), colours of a pixel side by side: a view of images that lie channels last."""

    def forward(self, images: Tensor) -> Tensor:
        return images.permute(0, 2, 3, 1).flatten(1)


def perceptron(hidden: list[int], image_shape: ImageShape, classes: int, dropout: float) -> nn.Module:
    """Build for images (C, H, W): linear layers of the hidden widths with ReLU between, then one to the classes."""
    layers: list[nn.Module] = [FlattenPixels()]
    width = prod(image_shape)
    for units in hidden:
        layers += [nn.Linear(width, units), nn.ReLU(inplace=True)]
        width = units
    model = nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(width, classes))
    return initialise(model, nn.init.xavier_uniform_)
