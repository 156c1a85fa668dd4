"""The training engine: a model, arrays on the device and a recipe in; curves, final metrics and the same bits out."""
