"""A multi-layer perceptron with one hidden layer of 512 ReLU units: 1,209,866 parameters on 28x28x3 with 10 classes.

Initialisation: Glorot uniform weights and zero biases, the default of TensorFlow, in which the paper's models were
written. The paper does not state its own.
"""

from torch import nn

from rethinking.models.parts.mlp import perceptron
from rethinking.models.parts.network import ImageShape


def build(image_shape: ImageShape, classes: int, dropout: float) -> nn.Module:
    """Build for images of shape (C, H, W)."""
    return perceptron([512], image_shape, classes, dropout)
