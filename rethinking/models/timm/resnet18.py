"""timm's resnet18: ResNet-18. Initialisation: timm's own."""

from functools import partial

from rethinking.models.parts.from_timm import adapted

build = partial(adapted, "resnet18")
