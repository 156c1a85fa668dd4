"""torchvision's inception_v3 without its auxiliary head, to compare inception_v3 with.

Initialisation: torchvision's own. It normalises with a learnable scale, and a step replaces a tenth of the running
statistics.
"""

from torch import nn
from torchvision.models import inception_v3

from rethinking.core.errors import UsageError
from rethinking.models.parts.network import ImageShape

SMALLEST = 75  # pixels a side: of one less the last map has no pixel


def build(image_shape: ImageShape, classes: int, dropout: float) -> nn.Module:
    """Build for images of shape (3, H, W). Raises UsageError for other channels, and below 75 pixels a side."""
    channels, *sides = image_shape
    if channels != 3:
        raise UsageError(
            f"train.archs: torchvision/inception_v3 takes images of 3 channels, found {channels}; train inception_v3"
        )
    if min(sides) < SMALLEST:
        raise UsageError(
            f"archs.torchvision/inception_v3.input_size: found {min(sides)}, but Inception V3 takes images of at least "
            f"{SMALLEST} pixels a side"
        )
    return inception_v3(num_classes=classes, aux_logits=False, init_weights=True, dropout=dropout)
