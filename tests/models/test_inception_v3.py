import pytest
import timm
import torch
from torch import nn
from torch.nn import functional
from torchvision.models import inception_v3

from rethinking.core.errors import UsageError
from rethinking.models.inception_v3 import SMALLEST, build
from rethinking.models.parts import network as models
from rethinking.models.parts.inception import ShiftedBatchNorm


def narrow(side=SMALLEST, **options):
    """A network of the fewest channels, and two images for it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build((3, side, side), 10, 0.0, width=0.01, **options)
        return model, torch.randn(2, 3, side, side)


@pytest.mark.parametrize(
    ("options", "count"),
    [({}, 23_817_352), ({"auxiliary": True}, 27_143_152), ({"classes": 10, "width": 0.25}, 1_378_606)],
)
def test_parameter_counts_are_those_of_the_packages_network(options, count):
    with torch.device("meta"):
        assert models.parameter_count(build((3, 299, 299), **{"classes": 1000, "dropout": 0.2, **options})) == count


@pytest.mark.parametrize(
    ("network", "auxiliary"),
    [
        (lambda: inception_v3(num_classes=10, init_weights=True), True),
        (lambda: timm.create_model("inception_v3", num_classes=10), False),
    ],
    ids=["torchvision", "timm"],
)
def test_with_their_weights_its_logits_are_those_of_torchvision_and_timm(network, auxiliary):
    torch.manual_seed(0)
    theirs, ours = network().double().eval(), build((3, 299, 299), 10, 0.0, auxiliary=auxiliary).double().eval()
    images, features = torch.randn(2, 3, 80, 80).double(), torch.randn(2, 768, 17, 17).double()
    norms = [module for module in theirs.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.normal_(norm.bias)
        norm.train().momentum = 1.0
    with torch.no_grad():
        theirs(images)  # for statistics under which all layers matter
        if auxiliary:
            theirs.AuxLogits(features)
        for norm in norms:
            norm.eval()
        copy_weights(theirs, ours)
        for module in ours.modules():
            if isinstance(module, nn.AvgPool2d):
                module.count_include_pad = True
        torch.testing.assert_close(ours(images), theirs(images))  # within 1e-7
        if auxiliary:
            torch.testing.assert_close(ours.auxiliary(features), theirs.AuxLogits(features))


def copy_weights(source, target):
    """Give the layers of `target` the weights and statistics of those of `source`, which come in the same order."""
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
    layers = ([module for module in model.modules() if isinstance(module, kinds)] for model in (source, target))
    for theirs, ours in zip(*layers, strict=True):
        state = theirs.state_dict()
        ours.load_state_dict({name: state[name] for name in ours.state_dict()})


def test_weights_are_drawn_as_the_package_draws_them():
    model = build((3, 75, 75), 100, 0.0, width=0.25, auxiliary=True)
    own = {"classify.weight": 0.01, "auxiliary.cover.0.weight": 0.01, "auxiliary.classify.weight": 0.001}
    drawn = {name: weight for name, weight in model.named_parameters() if weight.ndim > 1}
    assert own.keys() < drawn.keys()
    for name, weight in drawn.items():
        deviation = own.get(name, 0.1)
        assert weight.abs().max() <= 2 * deviation
        assert weight.std().item() == pytest.approx(0.88 * deviation, rel=0.1)
    assert not any(bias.any() for bias in model.parameters() if bias.ndim == 1)


def test_the_running_statistics_take_the_packages_part_of_each_batch():
    model, images = narrow()
    first = model.trunk[0]
    outputs = first[0](images)
    model(images)
    torch.testing.assert_close(first[1].running_mean, 3e-4 * outputs.mean((0, 2, 3)))
    norms = [module for module in model.modules() if isinstance(module, ShiftedBatchNorm)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(3e-4, 0.001)}


@pytest.mark.parametrize("shape", [(3, 75, 75), (1, 75, 140), (3, 267, 96), (3, 299, 299)])
def test_in_training_alone_the_auxiliary_head_speaks_too_whatever_the_size(shape):
    model = build(shape, 7, 0.0, width=0.01, auxiliary=True)
    logits, auxiliary = model(torch.zeros(2, *shape))
    assert logits.shape == auxiliary.shape == (2, 7)
    assert model.eval()(torch.zeros(2, *shape)).shape == (2, 7)


def test_every_weight_learns_and_the_auxiliary_ones_from_the_auxiliary_logits_alone():
    model, images = narrow(auxiliary=True)
    logits, auxiliary = model(images)
    of_head = torch.autograd.grad(logits.square().sum(), list(model.parameters()), retain_graph=True, allow_unused=True)
    named = zip(model.named_parameters(), of_head, strict=True)
    assert all((gradient is None) == name.startswith("auxiliary.") for (name, _), gradient in named)
    gradients = torch.autograd.grad((logits.square() + auxiliary.square()).sum(), list(model.parameters()))
    assert all(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("shape", [(3, 74, 74), (3, 75, 74), (3, 32, 299)])
def test_images_too_small_for_the_last_map_are_refused(shape):
    problem = rf"^archs\.inception_v3\.input_size: found {min(shape[1:])}, but .* at least 75 pixels a side$"
    with pytest.raises(UsageError, match=problem):
        build(shape, 10, 0.0)
    with pytest.raises(UsageError, match=problem):
        models.require_trainable("inception_v3", build, shape, 10, 0.0, 128, 128)


def test_it_keeps_channels_last_and_its_logits_with_them():
    model, images = narrow()
    expected = model.eval()(images)
    model, images = models.channels_last(model), images.contiguous(memory_format=torch.channels_last)
    assert model.trunk(images).is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-5)


def test_it_learns_random_labels_in_bfloat16():
    model, _ = narrow(auxiliary=True)
    chance = torch.Generator().manual_seed(0)
    images, labels = torch.randn(8, 3, 75, 75, generator=chance), torch.randint(10, (8,), generator=chance)
    optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    losses = []
    for _ in range(12):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, auxiliary = model(images)
            assert logits.dtype == auxiliary.dtype == torch.bfloat16
            loss = functional.cross_entropy(logits, labels) + 0.4 * functional.cross_entropy(auxiliary, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
