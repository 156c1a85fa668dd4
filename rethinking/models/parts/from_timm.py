"""Any model of the timm library, from scratch, at the data set's own image size.

To add one, copy a file of models/timm and write the model's name in it; the architecture is then `timm/<file name>`,
and DVC tracks it like any other. timm's version is pinned. Initialisation: timm's own for the model.
"""

from typing import Any

import timm
from torch import nn

from rethinking.core.errors import UsageError
from rethinking.models.parts.network import ImageShape


def adapted(name: str, image_shape: ImageShape, classes: int, dropout: float) -> nn.Module:
    """Build timm's model of that name for images (C, H, W).

    Vision transformers get the image size and patches of an eighth of it. Raises UsageError for a name timm lacks.
    """
    if not timm.is_model(name):
        close = timm.list_models(f"*{name.split('_')[0]}*")[:5]
        raise UsageError(f"train.archs: timm has no model '{name}'; near it are {', '.join(close) or 'none'}")
    channels, height, width = image_shape
    options: dict[str, Any] = {"in_chans": channels, "num_classes": classes, "drop_rate": dropout}
    if name.startswith(("vit_", "deit", "beit")):
        options |= {"img_size": (height, width), "patch_size": max(height // 8, 1)}
    return timm.create_model(name, pretrained=False, **options)
