"""The small Inception with batch normalisation: 1,649,402 parameters on 28x28x3 with 10 classes (figure 3).

Initialisation: Glorot uniform weights and zero biases, the default of TensorFlow, in which the paper's models were
written; zero shifts. The paper does not state its own.
"""

from torch import nn

from rethinking.models.parts.inception import normalised_unit, small_inception
from rethinking.models.parts.network import ImageShape


def build(image_shape: ImageShape, classes: int, dropout: float) -> nn.Module:
    """Build for images of shape (C, H, W)."""
    return small_inception(normalised_unit, image_shape, classes, dropout)
