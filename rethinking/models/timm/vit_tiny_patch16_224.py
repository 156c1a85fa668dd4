"""timm's vit_tiny_patch16_224: the tiny vision transformer, at patches of an eighth of the image.

Initialisation: timm's own.
"""

from functools import partial

from rethinking.models.parts.from_timm import adapted

build = partial(adapted, "vit_tiny_patch16_224")
