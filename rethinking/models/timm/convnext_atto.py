"""timm's convnext_atto: the smallest ConvNeXt. Initialisation: timm's own."""

from functools import partial

from rethinking.models.parts.from_timm import adapted

build = partial(adapted, "convnext_atto")
