import numpy as np
import pytest
import torch
from architectures import every_architecture
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from clearer.architecture import (
    Architecture,
    fusion_convolutions,
    module_convolutions,
    stem_convolutions,
    supernet_parameters,
    transition_convolutions,
)
from clearer.networks import Network, Supernet

# Table 5 and the parts of docs: 32 channels, gray images; cells 1 … 4.
STEM, HEAD = 31_904, 32
TRANSITIONS = (110_784, 73_984, 295_424, 1_180_672)
MODULES = {"P": (92_544, 387_968, 1_568_640, 6_289_280), "F": (20_672, 153_536, 784_512, 3_496_704)}
FINAL_FUSIONS = (2_112, 6_272, 14_528, 30_976)

# Supplementary table 1: α^p of the twelve columns.
PUBLISHED_ALPHA = {
    "FFFF-PPPF-PFPP": (0.4603, 0.4474, 0.4958, 0.4873, 0.5079, 0.5020, 0.5084, 0.4934, 0.5086, 0.4969, 0.5098, 0.5113),
    "FPFP-FPFF-PFFP": (0.3663, 0.5411, 0.4771, 0.5144, 0.4975, 0.5123, 0.4909, 0.4090, 0.5015, 0.4971, 0.4892, 0.5299),
    "FPPF-FFFF-PFFP": (0.1601, 0.8286, 0.8343, 0.1650, 0.1635, 0.1638, 0.1658, 0.1658, 0.8393, 0.1665, 0.1643, 0.8378),
}

architectures = st.lists(st.text("PF", min_size=1, max_size=3), min_size=1, max_size=3).map(
    lambda cells: Architecture(tuple(cells))
)


def count(convolutions):
    return sum(c.parameters for c in convolutions)


def built(architecture, channels, image_channels):
    with torch.device("meta"):
        return Network(architecture, channels, image_channels).eval()


def test_parts_have_the_published_counts():
    assert count(stem_convolutions(32, 1)) == STEM
    for cell in (1, 2, 3, 4):
        assert count(transition_convolutions(cell, 32)) == TRANSITIONS[cell - 1]
        for letter, counts in MODULES.items():
            assert count(module_convolutions(letter, cell, 32)) == counts[cell - 1]
        assert count(fusion_convolutions(cell + 1, 32, targets=1)) == FINAL_FUSIONS[cell - 1]


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("FPFP-FPFF-PFFP", 6_307_968),
        ("FPPF-FFFF-PFFP", 6_073_536),
        ("FFFF-PPPF-PFPP", 7_417_216),
        ("FFFF-FFFF-FFFF", 4_361_536),
        ("PPPP-PPPP-PPPP", 8_723_264),
    ],
)
def test_architectures_have_the_published_counts(text, parameters):
    architecture = Architecture.parse(text)
    assert architecture.parameters() == parameters
    assert sum(p.numel() for p in built(architecture, 32, 1).parameters()) == parameters


@pytest.mark.parametrize("text", ["P", "FPPF", "FP-PPF", "FFF-P-FP", "PF-FFPP-P-FPF"])
def test_an_architecture_is_the_sum_of_its_parts(text):
    architecture = Architecture.parse(text)
    cells = len(architecture.cells)
    chosen = sum(MODULES[letter][i] for i, letters in enumerate(architecture.cells) for letter in letters)
    assert architecture.parameters() == STEM + sum(TRANSITIONS[:cells]) + chosen + FINAL_FUSIONS[cells - 1] + HEAD


@pytest.mark.parametrize("columns", [(4, 4, 4), (1,), (2, 3), (1, 2, 1, 1)])
def test_the_supernet_holds_both_modules_of_every_column(columns):
    cells = len(columns)
    both = sum(n * (MODULES["P"][i] + MODULES["F"][i]) for i, n in enumerate(columns))
    with torch.device("meta"):
        weights = sum(w.numel() for w in Supernet(columns).weights())
    assert (
        supernet_parameters(columns)
        == weights
        == STEM + sum(TRANSITIONS[:cells]) + both + FINAL_FUSIONS[cells - 1] + HEAD
    )
    assert columns != (4, 4, 4) or weights == 12_558_144


@given(architectures, st.integers(1, 6), st.sampled_from([1, 3]))
def test_counts_equal_the_built_network(architecture, channels, image_channels):
    network = built(architecture, channels, image_channels)
    assert architecture.parameters(channels, image_channels) == sum(p.numel() for p in network.parameters())


@settings(max_examples=12)
@given(architectures, st.integers(1, 6), st.sampled_from([1, 3]), st.integers(1, 3), st.integers(1, 3))
def test_flops_equal_the_counted_ones(architecture, channels, image_channels, rows, columns):
    multiple = 2 ** len(architecture.cells)
    image = torch.empty(1, image_channels, rows * multiple, columns * multiple, device="meta")
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        built(architecture, channels, image_channels)(image)
    assert counter.get_total_flops() == architecture.flops_per_pixel(channels, image_channels) * image[0, 0].numel()


@given(architectures)
def test_the_text_form_round_trips(architecture):
    assert Architecture.parse(str(architecture)) == architecture
    assert Architecture.from_letters(architecture.letters, architecture.columns) == architecture
    assert architecture.fusion_columns == str(architecture).count("F")


@pytest.mark.parametrize("text", ["", "FPX", "fp", "FP--PF", "FP-", "-FP", "F P", "FP\nPF"])
def test_other_texts_are_refused_in_one_line(text):
    with pytest.raises(ValueError, match="architecture") as refused:
        Architecture.parse(text)
    assert "\n" not in str(refused.value)


def test_letters_must_fill_the_columns():
    with pytest.raises(ValueError, match="3 letters for 4 columns"):
        Architecture.from_letters("PPF", (2, 2))
    with pytest.raises(ValueError, match="at least one cell"):
        Architecture(())


@pytest.mark.parametrize(("text", "parallel"), PUBLISHED_ALPHA.items())
def test_the_larger_alpha_chooses(text, parallel):
    assert str(Architecture.from_alpha([(p, 1 - p) for p in parallel], (4, 4, 4))) == text


def test_random_draws_reach_the_whole_space_evenly():
    generator = np.random.default_rng(0)
    drawn = [str(Architecture.random((1, 1), generator)) for _ in range(400)]
    assert all(70 < drawn.count(str(member)) < 130 for member in every_architecture((1, 1)))
    assert drawn[0] == str(Architecture.random((1, 1), np.random.default_rng(0)))


def test_the_ends_of_a_space():
    largest, smallest = (Architecture.repeating(letter, (1, 2)) for letter in "PF")
    assert (str(largest), str(smallest)) == ("P-PP", "F-FF")
    counts = [architecture.parameters(4) for architecture in every_architecture((1, 2))]
    assert (largest.parameters(4), smallest.parameters(4)) == (max(counts), min(counts))
    counts = [Architecture.repeating(letter, (4,) * 3).parameters() for letter in "PF"]
    assert counts == [8_723_264, 4_361_536]


def test_every_other_column_is_a_fusion():
    assert str(Architecture.repeating("PF", (2, 3))) == "PF-PFP"
