"""timm's inception_v3, to compare inception_v3 with. Initialisation: timm's own."""

from functools import partial

from rethinking.models.parts.from_timm import adapted

build = partial(adapted, "inception_v3")
