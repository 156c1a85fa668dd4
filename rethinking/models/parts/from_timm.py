"""Any model of the timm library, from scratch, at the data set's own image size.

To add one, copy a file of models/timm and write the model's name in it; the architecture is then `timm/<file name>`,
and DVC tracks it like any other. timm's version is pinned. Initialisation: timm's own for the model.
"""

from typing import Any

import timm
import torch
from torch import nn

from rethinking.core.errors import UsageError
from rethinking.models.parts.network import ImageShape


def adapted(name: str, image_shape: ImageShape, classes: int, dropout: float, **options: Any) -> nn.Module:
    """Build timm's model of that name, perhaps with a tag, for images (C, H, W); `options` are timm's own.

    A model that takes an image size gets it, and smaller patches, if timm lets it, where its own are more than an
    eighth of the image; vision transformers get patches of an eighth at any size. Not every model can be trained on
    every size: the validate stage tries it. Raises UsageError for a name timm lacks.
    """
    if not timm.is_model(name):
        close = timm.list_models(f"*{name.split('_')[0]}*")[:5]
        raise UsageError(f"train.archs: timm has no model '{name}'; near it are {', '.join(close) or 'none'}")
    channels, height, width = image_shape
    options = {"in_chans": channels, "num_classes": classes, "drop_rate": dropout, **options}
    sized = {"img_size": (height, width), **options}
    transformer, patch = name.startswith(("vit_", "deit", "beit")), max(height // 8, 1)
    if not transformer:  # most others take only patches that divide the image
        patch = next(side for side in range(patch, 0, -1) if height % side == 0)
    patched = {"patch_size": patch, **sized}
    try:
        own: nn.Module | None = _on_meta(name, sized)
    except TypeError:  # it takes no image size
        return timm.create_model(name, **options)
    except Exception:
        own = None
    if own is None or transformer or _patch(own) > patch:
        try:
            _on_meta(name, patched)
            sized = patched
        except Exception:  # it takes no such patches
            pass
    return timm.create_model(name, **sized)


def _on_meta(name: str, options: dict[str, Any]) -> nn.Module:
    """The model without memory, and without moving torch's random numbers."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return timm.create_model(name, **options)


def _patch(model: nn.Module) -> int:
    """The side of the patches into which the first convolution cuts an image; 0 where it does not."""
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    return first.kernel_size[0] if first is not None and first.kernel_size == first.stride else 0
