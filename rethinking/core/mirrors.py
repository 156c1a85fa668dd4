"""Whether the live curves can be copied to where `train.mirror` says."""

import importlib

from rethinking.core.errors import UsageError


def require_mirror(mirror: str, key: str = "train.mirror") -> None:
    """Raise UsageError where the mirror's package is absent, or W&B is to be reached and nobody is logged in."""
    if mirror == "none":
        return
    try:
        package = importlib.import_module(mirror)
    except ImportError:
        raise UsageError(
            f"{key}: '{mirror}' is not installed; run `pip install -r requirements-{mirror}.txt` or set none"
        ) from None
    if mirror != "wandb" or package.setup().settings.mode not in ("online", "shared"):
        return
    try:
        problem = None if package.login(prompt=False) else "no API key is set"
    except package.errors.Error as error:
        problem = str(error)
    if problem:
        raise UsageError(
            f"{key}: nobody is logged in to wandb ({problem}); run `wandb login`, set the variable "
            "WANDB_MODE=offline, or set none"
        )
