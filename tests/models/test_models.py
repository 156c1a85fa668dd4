import pytest
import torch
from torch import nn

from rethinking.core import registry
from rethinking.models.alexnet import ResponseNorm
from rethinking.models.parts import network as models
from rethinking.models.parts.inception import ShiftedBatchNorm

PAPER_COUNTS = {
    "inception": 1_649_402,
    "inception_nobn": 1_649_402,
    "alexnet": 1_387_786,
    "mlp_3x512": 1_735_178,
    "mlp_1x512": 1_209_866,
}


def build(arch, shape=(3, 28, 28), classes=10, dropout=0.0, seed=0):
    return models.seeded(registry.load("models", arch, "train.archs").build, shape, classes, dropout, seed)


@pytest.mark.parametrize(("arch", "count"), {**PAPER_COUNTS, "wrn_28_1": 369_498}.items())
def test_parameter_counts_are_the_published_ones(arch, count):
    assert models.parameter_count(build(arch)) == count


@pytest.mark.parametrize("arch", registry.names("models"))
def test_every_architecture_maps_images_to_class_scores_and_learns_with_all_its_weights(arch):
    model = build(arch, (3, 32, 32), classes=7)
    scores = model(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (2, 7)
    gradients = torch.autograd.grad(scores.square().sum(), list(model.parameters()))
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    if not arch.startswith("timm/"):  # whose residual branches may begin at zero
        assert all(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("arch", ["alexnet", "inception", "mlp_1x512"])
def test_grey_images_of_another_size_are_taken(arch):
    assert build(arch, (1, 20, 20))(torch.zeros(2, 1, 20, 20)).shape == (2, 10)


def test_the_initialisation_stream_alone_decides_the_weights():
    torch.manual_seed(1)
    first = build("alexnet", seed=5)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second, other = build("alexnet", seed=5), build("alexnet", seed=6)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


@pytest.mark.parametrize("arch", ["mlp_1x512", "alexnet", "wrn_28_1", "inception", "timm/resnet18"])
def test_dropout_acts_in_training_only(arch):
    model = build(arch, (3, 32, 32), dropout=0.5)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model.eval()
    assert torch.equal(model(images), model(images))
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
        else:
            module.training = True
    assert not torch.equal(model(images), model(images))


def test_response_norm_is_torchs_own_forward_and_backward():
    features = (torch.randn(3, 64, 9, 9, generator=torch.Generator().manual_seed(0)) * 20).double()
    reference = nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1)
    outputs, gradients = [], []
    for norm in (ResponseNorm(64).double(), reference):
        inputs = features.clone().requires_grad_()
        output = norm(inputs)
        outputs.append(output.detach())
        gradients.append(torch.autograd.grad(output.sin().sum(), inputs)[0])
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-6, atol=1e-7)


def test_relu_after_the_pool_equals_relu_before_it():
    features = torch.randn(4, 8, 14, 14, generator=torch.Generator().manual_seed(0)) - 0.8
    gradients = []
    for layers in ([nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)], [nn.MaxPool2d(3, 2, padding=1), nn.ReLU()]):
        inputs = features.clone().requires_grad_()
        output = nn.Sequential(*layers)(inputs)
        gradients.append((output.detach(), torch.autograd.grad(output.square().sum(), inputs)[0]))
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert torch.equal(gradients[0][1], gradients[1][1])


def test_shifted_batch_norm_is_batch_norm_with_its_scale_held_at_one():
    ours, reference = ShiftedBatchNorm(5), nn.BatchNorm2d(5)
    images = torch.randn(6, 5, 4, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1
    for _ in range(3):
        torch.testing.assert_close(ours(images), reference(images))
    ours.eval()
    reference.eval()
    torch.testing.assert_close(ours(images), reference(images))
    assert [name for name, _ in ours.named_parameters()] == ["bias"]


def test_an_unknown_timm_model_is_named():
    from rethinking.core.errors import UsageError
    from rethinking.models.parts.from_timm import adapted

    with pytest.raises(UsageError, match="timm has no model 'resnet_of_my_own'"):
        adapted("resnet_of_my_own", (3, 32, 32), 10, 0.0)
