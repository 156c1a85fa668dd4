"""The boxes of `dvc dag imagenet/dvc.yaml`."""
