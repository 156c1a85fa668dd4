from functools import partial

import pytest
import torch
from torch import nn

from rethinking.core import registry
from rethinking.core.errors import UsageError
from rethinking.models.alexnet import ResponseNorm
from rethinking.models.parts import network as models
from rethinking.models.parts.from_timm import adapted
from rethinking.models.parts.inception import ShiftedBatchNorm

PAPER_COUNTS = {
    "inception": 1_649_402,
    "inception_nobn": 1_649_402,
    "alexnet": 1_387_786,
    "mlp_3x512": 1_735_178,
    "mlp_1x512": 1_209_866,
}


def side(arch):
    """Pixels a side that every test may give the network: its smallest images, where 32 are too few."""
    return 75 if arch.endswith("inception_v3") else 32


def build(arch, shape=(3, 28, 28), classes=10, dropout=0.0, seed=0):
    return models.seeded(registry.load("models", arch, "train.archs").build, shape, classes, dropout, seed)


@pytest.mark.parametrize(("arch", "count"), {**PAPER_COUNTS, "wrn_28_1": 369_498}.items())
def test_parameter_counts_are_the_published_ones(arch, count):
    assert models.parameter_count(build(arch)) == count


@pytest.mark.parametrize("arch", registry.names("models"))
def test_every_architecture_maps_images_to_class_scores_and_learns_with_all_its_weights(arch):
    shape = (3, side(arch), side(arch))
    model = build(arch, shape, classes=7)
    scores = model(torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)))
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
    with pytest.raises(UsageError, match="timm has no model 'resnet_of_my_own'"):
        adapted("resnet_of_my_own", (3, 32, 32), 10, 0.0)


# Of families with convolutions, patches, windows and stems, with and without an image size; two have a tag.
FAMILIES = ["mixer_s16_224", "swin_tiny_patch4_window7_224", "eva02_tiny_patch14_224", "resmlp_12_224", "levit_128s"]
FAMILIES += [
    "resnet18.a1_in1k",
    "vit_tiny_patch16_224.augreg_in21k",
    "test_maxvit",
    "hrnet_w18_small",
    "xcit_nano_12_p8_224",
]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_timm_is_built_for_small_images_whatever_its_family(name):
    build = partial(adapted, name)
    models.require_trainable(f"timm/{name}", build, (3, 32, 32), 7, 0.1, 128, 2)
    model = models.seeded(build, (3, 32, 32), 7, 0.1, 0)
    scores = model(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (2, 7)
    assert all(torch.isfinite(part).all() for part in torch.autograd.grad(scores.sum(), list(model.parameters())))


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [
        ("inception_v3", 32, "Output size is too small"),
        ("halonet26t", 32, "AssertionError at _assert"),
        ("densenet121", 28, "Output size is too small"),
        ("resnet18.no_tag", 32, r"Invalid pretrained tag \(no_tag\)"),
    ],
)
def test_a_network_of_timm_that_cannot_be_trained_on_the_size_is_refused_with_the_reason(name, size, reason):
    problem = (
        rf"^archs\.timm/net: .* images of {size}x{size} pixels \(.*{reason}.*\); set another archs\.timm/net\.input"
    )
    with pytest.raises(UsageError, match=problem) as caught:
        models.require_trainable("timm/net", partial(adapted, name), (3, size, size), 10, 0.0, 128, 128)
    assert "\n" not in str(caught.value)


def test_patches_and_other_options_of_timm_can_be_chosen():
    def patches(**options):
        return adapted("eva02_tiny_patch14_224", (3, 32, 32), 10, 0.0, **options).patch_embed.num_patches

    assert (patches(), patches(patch_size=2), patches(patch_size=16)) == (64, 256, 4)


def test_the_trial_of_a_network_moves_no_random_number():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    models.require_trainable("timm/x", partial(adapted, "test_vit"), (3, 32, 32), 10, 0.5, 128, 128)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(part.is_meta for part in build("timm/vit_tiny_patch16_224", (3, 32, 32)).parameters())


class Averaging(nn.Module):
    """Batch normalisation of one number for each channel."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(3), nn.Linear(3, 10))

    def forward(self, images):
        return self.layers(images)


@pytest.mark.parametrize(
    ("batch_size", "found"), [(1, "found 1, but"), (128, "found 128, which leaves a last batch of 1 image, but")]
)
@pytest.mark.parametrize("arch", ["timm/resnet18", "my_net"])
def test_batch_normalisation_refuses_a_batch_of_one_image(arch, batch_size, found):
    network = partial(adapted, "resnet18") if arch.startswith("timm/") else lambda *_: Averaging()
    with pytest.raises(UsageError, match=rf"^train\.batch_size: {found} {arch} normalises over each batch"):
        models.require_trainable(arch, network, (3, 32, 32), 10, 0.0, batch_size, 1)
    models.require_trainable(arch, network, (3, 32, 32), 10, 0.0, 2, 2)


@pytest.mark.parametrize("arch", registry.names("models"))
def test_the_trial_agrees_with_a_real_step_on_one_image(arch):
    shape = (3, side(arch), side(arch))
    model, problem = build(arch, shape).train(), None
    try:
        model(torch.zeros(1, *shape))
    except ValueError as error:
        problem = str(error)
    network = registry.load("models", arch, "train.archs").build
    if problem is None:
        models.require_trainable(arch, network, shape, 10, 0.0, 1, 1)
    else:
        assert "more than 1 value per channel" in problem
        with pytest.raises(UsageError, match="^train.batch_size"):
            models.require_trainable(arch, network, shape, 10, 0.0, 1, 1)
