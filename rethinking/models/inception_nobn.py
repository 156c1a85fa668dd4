"""The small Inception without batch normalisation: 1,649,402 parameters on 28x28x3 with 10 classes.

Initialisation: Glorot uniform weights and zero biases, the default of TensorFlow, in which the paper's models were
written. The paper does not state its own, and at its learning rate of 0.1 this network is sensitive to it: a run that
diverges is recorded as such.
"""

from torch import nn

from rethinking.models.parts.inception import plain_unit, small_inception
from rethinking.models.parts.network import ImageShape


def build(image_shape: ImageShape, classes: int, dropout: float) -> nn.Module:
    """Build for images of shape (C, H, W)."""
    return small_inception(plain_unit, image_shape, classes, dropout)
