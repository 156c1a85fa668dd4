"""The small Inception with batch normalisation: 1,649,402 parameters on 28x28x3 with 10 classes (figure 3).

Initialisation: Glorot uniform weights and zero biases, the default of TensorFlow, in which the paper's models were
written; zero shifts. The paper does not state its own.
"""

from functools import partial

from rethinking.models.parts.inception import normalised_unit, small_inception

build = partial(small_inception, normalised_unit)
