"""The numbers that the paper prints, for the figures and tables that show them beside ours. Accuracies in [0, 1]."""

from typing import NamedTuple


class Row(NamedTuple):
    """A row of a table of the paper: the run's coordinates in the grid and the printed accuracies.

    `best_test` is the best test accuracy of any epoch, which early stopping could have kept.
    """

    arch: str
    corruption: str
    variant: str
    train: float | None
    test: float | None = None
    train_top5: float | None = None
    test_top5: float | None = None
    best_test: float | None = None
    best_test_top5: float | None = None


# Table 1: CIFAR-10, train and test accuracy.
TABLE_1 = (
    Row("inception", "none", "random_crop+weight_decay", 1.0, 0.8905),
    Row("inception", "none", "random_crop", 1.0, 0.8931),
    Row("inception", "none", "weight_decay", 1.0, 0.8603),
    Row("inception", "none", "plain", 1.0, 0.8575),
    Row("inception", "labels-1.0", "plain", 1.0, 0.0978),
    Row("inception_nobn", "none", "weight_decay", 1.0, 0.8300),
    Row("inception_nobn", "none", "plain", 1.0, 0.8200),
    Row("inception_nobn", "labels-1.0", "plain", 1.0, 0.1012),
    Row("alexnet", "none", "random_crop+weight_decay", 0.9990, 0.8122),
    Row("alexnet", "none", "random_crop", 0.9982, 0.7966),
    Row("alexnet", "none", "weight_decay", 1.0, 0.7736),
    Row("alexnet", "none", "plain", 1.0, 0.7607),
    Row("alexnet", "labels-1.0", "plain", 0.9982, 0.0986),
    Row("mlp_3x512", "none", "weight_decay", 1.0, 0.5335),
    Row("mlp_3x512", "none", "plain", 1.0, 0.5239),
    Row("mlp_3x512", "labels-1.0", "plain", 1.0, 0.1048),
    Row("mlp_1x512", "none", "weight_decay", 0.9980, 0.5039),
    Row("mlp_1x512", "none", "plain", 1.0, 0.5051),
    Row("mlp_1x512", "labels-1.0", "plain", 0.9934, 0.1061),
)

# Table 2: ImageNet, Inception V3, top-1 and top-5 accuracy.
TABLE_2 = (
    Row("inception_v3", "none", "augmentation+dropout+weight_decay", 0.9218, 0.7784, 0.9921, 0.9392),
    Row("inception_v3", "none", "augmentation", 0.9233, 0.7295, 0.9917, 0.9043),
    Row("inception_v3", "none", "weight_decay", 0.9060, 0.6718, 1.0, 0.8644, 0.7257, 0.9131),
    Row("inception_v3", "none", "plain", 0.9953, 0.5980, 1.0, 0.8038, 0.6316, 0.8449),
    Row("inception_v3", "labels-1.0", "dropout+weight_decay", 0.9118, 0.0009, 0.9795, 0.0049),
    Row("inception_v3", "labels-1.0", "weight_decay", 0.8781, 0.0012, 0.9615, 0.0050),
    Row("inception_v3", "labels-1.0", "plain", 0.9520, 0.0011, 0.9914, 0.0056),
)

# Images in a step of figure 2a: the batch of one of the paper's workers, by the package that it used.
IMAGES_IN_STEP = 32

# Table 4 (appendix): random labels with explicit regularisers, train accuracy; None is "failed to converge".
TABLE_4 = (
    Row("inception", "labels-1.0", "weight_decay", 1.0),
    Row("alexnet", "labels-1.0", "weight_decay", None),
    Row("mlp_3x512", "labels-1.0", "weight_decay", 1.0),
    Row("mlp_1x512", "labels-1.0", "weight_decay", 0.9921),
    Row("inception", "labels-1.0", "random_crop", 0.9993),
    Row("inception", "labels-1.0", "augmentation", 0.9928),
)

# Section 5: test error of the Gaussian kernel on so many random convolutional filters of CIFAR-10.
RANDOM_PATCHES_FILTERS = 32000
RANDOM_PATCHES_ERROR = {"true_labels": 0.17, "true_labels_l2": 0.15}

# Thousand steps until Inception's training loss passes 0.1: not the paper's, read off a later reproduction (Comfy
# Research, one seed, batch 128), as figure 1a prints no numbers.
THOUSAND_STEPS_TO_LOSS_0_1 = {
    "none": 4.0,
    "shuffled_pixels": 5.6,
    "gaussian": 8.8,
    "random_pixels": 11.9,
    "labels-1.0": 16.6,
}

# Figure 1b: fitting random labels takes a small constant factor longer than fitting true ones; up to this.
LARGEST_SLOWDOWN = 4.0
