"""The small Inception without batch normalisation: 1,649,402 parameters on 28x28x3 with 10 classes.

Initialisation: Glorot uniform weights and zero biases, the default of TensorFlow, in which the paper's models were
written. The paper does not state its own, and at its learning rate of 0.1 this network is sensitive to it: a run that
diverges is recorded as such.
"""

from functools import partial

from rethinking.models.parts.inception import plain_unit, small_inception

build = partial(small_inception, plain_unit)
