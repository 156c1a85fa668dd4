"""A multi-layer perceptron with one hidden layer of 512 ReLU units: 1,209,866 parameters on 28x28x3 with 10 classes.

Initialisation: Glorot uniform weights and zero biases, the default of TensorFlow, in which the paper's models were
written. The paper does not state its own.
"""

from functools import partial

from rethinking.models.parts.mlp import perceptron

build = partial(perceptron, [512])
