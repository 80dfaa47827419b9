import pytest
import torch
import torch.nn.functional as F
from architectures import every_architecture
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from clearer.architecture import Architecture
from clearer.modules import ResidualBlock
from clearer.networks import MixedColumn, Network, Supernet

COLUMNS = (2, 2)
ARCHITECTURES = every_architecture(COLUMNS)


def images(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def one_hot(architecture):
    return torch.tensor([[float(letter == "P"), float(letter == "F")] for letter in architecture.letters])


def lively(mixing="parallel"):
    """A supernet with outputs of ordinary size and running statistics of its own."""
    torch.manual_seed(0)
    supernet = Supernet(COLUMNS, 2, 1, mixing)
    nn.init.normal_(supernet.logits)
    for _ in range(3):
        supernet(torch.rand(4, 1, 16, 16))
    return supernet.eval()


@pytest.fixture(scope="module")
def supernet():
    return lively()


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_one_hot_alpha_is_the_derived_network(supernet, architecture):
    image = images(2, 1, 12, 8)
    with torch.inference_mode():
        expected = supernet.derive(architecture)(image)
        assert expected.std() > 1e-3
        assert torch.equal(supernet(image, one_hot(architecture)), expected)


def test_architectures_restore_differently(supernet):
    with torch.inference_mode():
        restored = torch.stack([supernet.derive(architecture)(images(2, 1, 12, 8)) for architecture in ARCHITECTURES])
    assert torch.pdist(restored.flatten(1)).min() > 1e-3


@pytest.mark.parametrize("text", ["PF-FP", "FF-PP"])
@pytest.mark.parametrize("training", [True, False])
def test_decided_logits_are_the_derived_network(text, training):
    supernet, architecture = lively().train(training), Architecture.parse(text)
    derived = supernet.derive(architecture)
    with torch.no_grad():
        supernet.logits.copy_(2e4 * one_hot(architecture) - 1e4)
        assert derived.training == training
        assert torch.equal(supernet(images(2, 1, 12, 8)), derived(images(2, 1, 12, 8)))
    assert supernet.architecture() == architecture
    after = supernet.derive(architecture).state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in derived.state_dict().items())


def test_a_network_of_other_columns_is_not_derived(supernet):
    with pytest.raises(ValueError, match="PFF-P"):
        supernet.derive(Architecture.parse("PFF-P"))


def watched(supernet):
    """Per column: what it, its parallel and its fusion module read, what parallel gave, clones of what it read."""
    seen = []

    def before(module, arguments):
        seen.append({"read": list(arguments[0]), "clones": [branch.clone() for branch in arguments[0]]})

    for column in (module for module in supernet.modules() if isinstance(module, MixedColumn)):
        column.register_forward_pre_hook(before)
        column.parallel.register_forward_hook(
            lambda module, arguments, found: seen[-1].update(parallel=arguments[0], gave=found)
        )
        column.fusion.register_forward_pre_hook(lambda module, arguments: seen[-1].update(fusion=arguments[0]))
    supernet(images(2, 1, 8, 8))
    return seen


@pytest.mark.parametrize(("mixing", "source"), [("parallel", "read"), ("sequential", "gave")])
@pytest.mark.parametrize("training", [True, False])
def test_the_fusion_module_reads_what_mixing_says(mixing, source, training):
    seen = watched(lively(mixing).train(training))
    assert len(seen) == sum(COLUMNS)
    for column in seen:
        assert all(a is b for a, b in zip(column["parallel"], column["read"], strict=True))
        assert all(a is b for a, b in zip(column["fusion"], column[source], strict=True))
        assert all(torch.equal(a, b) for a, b in zip(column["read"], column["clones"], strict=True))


def test_the_two_mixings_differ():
    with torch.inference_mode():
        assert not torch.allclose(lively()(images(1, 1, 8, 8)), lively("sequential")(images(1, 1, 8, 8)))


@given(st.integers(1, 19), st.integers(1, 19))
def test_any_image_keeps_its_shape(supernet, height, width):
    image = images(1, 1, height, width)
    with torch.inference_mode():
        for restored in (supernet(image), supernet.derive(ARCHITECTURES[5])(image)):
            assert restored.shape == image.shape
            assert restored.isfinite().all()


def test_what_is_padded_on_a_gpu_stays_channels_last(monkeypatch):
    """A GPU's padding does not keep the layout; that of a batch which needs none is left alone."""
    seen, pad, supernet = [], F.pad, Supernet(COLUMNS, 2, 3).eval()
    supernet.stem.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    monkeypatch.setattr(F, "pad", lambda image, *how, **more: pad(image, *how, **more).contiguous())
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    image = images(1, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    for size in (8, 6):
        supernet(image[..., :size])
    assert all(given.is_contiguous(memory_format=torch.channels_last) for given in seen)
    assert seen[0].data_ptr() == image.data_ptr()


def test_padding_repeats_the_edge(supernet):
    image = images(1, 1, 6, 7)
    padded = torch.cat([image, image[..., -1:]], -1)
    padded = torch.cat([padded, padded[..., -1:, :], padded[..., -1:, :]], -2)
    with torch.inference_mode():
        assert torch.equal(supernet(image), supernet(padded)[..., :6, :7])


@pytest.mark.parametrize("image_channels", [1, 3])
def test_there_is_no_global_skip(image_channels):
    network = Network(Architecture.parse("PF-F"), 2, image_channels)
    nn.init.zeros_(network.head.weight)
    assert not network(images(2, image_channels, 8, 8)).any()


def test_weights_are_all_but_the_logits(supernet):
    everything = {id(parameter) for parameter in supernet.parameters()}
    assert everything - {id(weight) for weight in supernet.weights()} == {id(supernet.logits)}
    assert supernet.logits.shape == (4, 2)
    assert torch.allclose(supernet.alpha().sum(2), torch.ones(1, 4))


def test_initial_convolutions_are_normal_and_a_function_of_the_generator():
    def initial(seed):
        network = Network(Architecture.parse("PF-FP"), 8)
        network.initialise(torch.Generator().manual_seed(seed), 1e-3)
        return network

    convolutions, others = (
        torch.cat([m.weight.detach().flatten() for m in initial(0).modules() if isinstance(m, kind)])
        for kind in (nn.Conv2d, nn.BatchNorm2d)
    )
    assert convolutions.std() == pytest.approx(1e-3, rel=0.02)
    assert abs(convolutions.mean()) < 2e-5
    assert others.eq(1).all()
    once, again, other = (torch.cat([p.detach().flatten() for p in initial(seed).parameters()]) for seed in (0, 0, 1))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


@pytest.mark.parametrize(
    "build",
    [lambda **own: Supernet((2, 1), 2, 3, **own), lambda **own: Network(Architecture.parse("FP-P"), 2, 3, **own)],
)
def test_a_skip_adds_to_the_input_and_he_begins_there(build):
    generator, image = torch.Generator().manual_seed(0), torch.rand(2, 3, 13, 18)
    plain, skipping = build(), build(skip="global")
    for network in (plain, skipping):
        network.initialise(generator.manual_seed(1), 0.1)
    torch.testing.assert_close(skipping.eval()(image), plain.eval()(image) + image)
    skipping.initialise(generator, 0.1, "he")
    assert torch.equal(skipping(image), image)
    blocks = [module for module in skipping.modules() if isinstance(module, ResidualBlock)]
    assert all((block.body[-1].weight == 0).all() for block in blocks)
    inner = skipping.stem[1].body[3].weight  # 3×3 of two channels
    assert inner.std().item() == pytest.approx((2 / (2 * 9)) ** 0.5, rel=0.5)
    with pytest.raises(ValueError, match="skip='x': one of none, global"):
        build(skip="x")
