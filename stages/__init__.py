"""The boxes of `dvc dag`, one module each: arguments in, artefacts out; the work is done by rethinking/."""
