"""A multi-layer perceptron with three hidden layers of 512 ReLU units: 1,735,178 parameters on 28x28x3 with 10 classes.

Initialisation: Glorot uniform weights and zero biases, the default of TensorFlow, in which the paper's models were
written. The paper does not state its own.
"""

from functools import partial

from rethinking.models.parts.mlp import perceptron

build = partial(perceptron, [512, 512, 512])
