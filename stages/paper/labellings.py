"""What the kernels interpolate, in words, by the keys that collect_theory writes."""

LABELLINGS = {
    "true_labels": "true labels",
    "true_labels_l2": "true labels with l2",
    "random_labels": "random labels",
}
