"""Packs: K runs of one shape computed as one network, each as if it were alone."""

import math

import pytest
import torch
from steps import gradients, in_float64, uneven

from clearer.architecture import Architecture
from clearer.checkpoint import pack_state, unpack_state
from clearer.networks import Network, Supernet
from clearer.packing import by_channel, clip_gradients, full_width, joined, mean_square_error, packed, part
from clearer.runs import DivergedError
from clearer.search import Search
from clearer.training import Training

WIDTH = 4


@pytest.fixture(params=["search", "train"])
def pack(request, photographs):
    """What starts a pack of configurations: of searches, then of trainings."""
    sets = photographs["train"], photographs["validation"]

    def started(configurations, width=None):
        if request.param == "search":
            return Search(configurations, *sets, width=width)
        return Training(configurations, Architecture.parse("FP-PF"), *sets, width=width)

    return started


@pytest.fixture(scope="module")
def configurations(tiny):
    """Four that one pack can hold, and that all differ."""
    return [
        tiny.with_values(seed=0, lambda1=0.1),
        tiny.with_values(seed=1, lambda2=0.5, complexity="authors"),
        tiny.with_values(seed=0, lambda1=0.3, sigma=50),
        tiny.with_values(seed=2, protocol="float", initial_std=0.02),
    ]


def bits_of(bits, run, wanted):
    """The bits of the members of one configuration."""
    pairs = zip(bits(run), run.members, strict=True)
    return [state for state, member in pairs if member.configuration == wanted]


def test_a_members_bits_depend_on_no_neighbour_and_on_no_place(pack, configurations, finish, bits):
    wanted = configurations[0]
    others = [c.with_values(seed=c.seed + 5) for c in configurations[1:]]
    packs = configurations, configurations[::-1], [others[2], *others[:2], wanted], [wanted]
    found = [bits_of(bits, finish(pack(members, width=WIDTH)), wanted) for members in packs]
    assert all(len(own) == 1 for own in found)
    assert found[0] == found[1] == found[2] == found[3]
    assert bits_of(bits, finish(pack([wanted])), wanted) != found[0], "another width is another order of summation"


def test_a_pack_that_is_resumed_is_the_same(pack, configurations, finish, bits):
    whole = bits(finish(pack(configurations)))
    halfway = next(pack(configurations).advance(20))
    states = [unpack_state(pack_state(halfway.state_dict(member))) for member in halfway.members]
    again = pack([configurations[2], configurations[0]])
    again.load_state_dicts([states[2], states[0]])
    assert bits(finish(again)) == [whole[2], whole[0]], "and goes on in other company"
    with pytest.raises(ValueError, match=r"not of 1 members of a (search|train) of 1"):
        pack(configurations[:1]).load_state_dicts(states[:1])


def spoil(run, place, where, value):
    """Writes a value into what a member learns, or into the next of its batches."""
    if where == "batch":
        crops, whole = run.crops["weights"], run.crops["weights"].batch

        def batch(iteration):
            degraded, clean = whole(iteration)
            degraded[:, place] = value
            return degraded, clean

        crops.batch = batch
        return
    tensors = run.network.parameters() if where == "weights" else [b for b in run.network.buffers() if b.ndim]
    with torch.no_grad():
        for tensor in tensors:
            tensor.chunk(WIDTH)[place].fill_(value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("at", [0, 22, 39])
@pytest.mark.parametrize("where", ["weights", "statistics", "batch"])
def test_what_is_not_finite_harms_no_neighbour(pack, whole_packs, configurations, bits, where, at, value):
    run, stops = pack(configurations), []
    whole = whole_packs[run.stage]
    if at == 0:
        spoil(run, 1, where, value)
    for stop in run.advance(1):
        if stop.iteration == at > 0 and stop.members[1].problem is None:
            spoil(run, 1, where, value)
        stops.append((stop.iteration, [member.has_ended for member in stop.members]))
    ended = [iteration for iteration, has_ended in stops if has_ended == [False, True, False, False]]
    assert ended[0] == at // 15 * 15, "the pack goes on from the last row of its curves"
    assert stops[-1] == (40, [True] * 4)
    diverged, what = run.members[1], "a batch is" if where == "batch" else "weights are"
    assert isinstance(diverged.problem, DivergedError)
    assert str(diverged.problem) == f"{run.stage} diverged: {what} not finite by iteration {at + 1}"
    assert [row["iteration"] for row in diverged.curve] == [15, 30][: at // 15]
    found = bits(run)
    assert [found[place] for place in (0, 2, 3)] == [whole[place] for place in (0, 2, 3)]


@pytest.fixture(scope="module")
def whole_packs(configurations, photographs, finish, bits):
    """The bits of the searches and of the trainings, undisturbed."""
    sets = photographs["train"], photographs["validation"]
    training = Training(configurations, Architecture.parse("FP-PF"), *sets)
    return {run.stage: bits(finish(run)) for run in (Search(configurations, *sets), training)}


def test_of_several_that_are_not_finite_those_end_that_diverge_alone(pack, whole_packs, configurations, bits):
    """As where a processor computes several members in one vector: the fault of one is found in all of them."""
    run = pack(configurations)
    whole, descend = whole_packs[run.stage], run._descend

    def spreading(*arguments):
        losses = descend(*arguments)
        if run.iteration >= 20 and configurations[2] in run._filled:
            with torch.no_grad():
                for tensor in run.network.parameters():
                    tensor.fill_(math.nan)
        return losses

    run._descend = spreading
    run._place(run.members)
    for _ in run.advance():
        pass
    assert [str(member.problem) for member in run.members] == [
        "None",
        "None",
        f"{run.stage} diverged: weights are not finite by iteration {22 if run.stage == 'train' else 21}",
        "None",
    ]
    found = bits(run)
    assert [found[place] for place in (0, 1, 3)] == [whole[place] for place in (0, 1, 3)]


def test_a_pack_in_which_a_member_diverged_is_resumed(pack, whole_packs, configurations, bits, finish):
    run = pack(configurations)
    for stop in run.advance(1):
        if stop.iteration == 17 and run.members[0].problem is None:
            spoil(run, 0, "weights", math.nan)
        if stop.iteration == 25:
            break
    again = pack(configurations)
    again.load_state_dicts([unpack_state(pack_state(run.state_dict(member))) for member in run.members])
    assert [member.has_ended for member in again.members] == [True, False, False, False]
    assert str(again.members[0].problem) == f"{run.stage} diverged: weights are not finite by iteration 18"
    assert bits(finish(again))[1:] == whole_packs[run.stage][1:]


def test_members_that_have_all_diverged_are_resumed_to_say_so(pack, configurations, finish):
    run = pack(configurations)
    next(run.advance(15))
    run.members[0].problem = DivergedError("diverged before")
    again = pack(configurations)
    again.load_state_dicts([run.state_dict(run.members[0])] * len(configurations))
    assert again.ended
    assert [member.seconds for member in again.members] == [run.members[0].seconds] * len(configurations)
    with pytest.raises(DivergedError, match="diverged before"):
        finish(again)


def test_a_pack_of_failures_raises(pack, configurations, finish):
    run = pack(configurations)
    with torch.no_grad():
        for tensor in run.network.parameters():
            tensor.fill_(math.nan)
    with pytest.raises(DivergedError, match="diverged: weights are not finite by iteration 1"):
        finish(run)


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_gradients_in_a_pack_are_those_alone(configurations, photographs, statistics):
    """In float64, both steps, twice: exact but for the order of sums."""
    cs = [c.with_values(alpha_statistics=statistics, clip_norm=0.01, alpha_initial_std=1.0) for c in configurations]

    images = photographs["train"], photographs["validation"]
    singles, whole = [in_float64(Search([c], *images)) for c in cs], in_float64(Search(cs, *images))
    for single in singles:
        uneven(single.supernet)
    filled = [*singles, *[singles[-1]] * (whole.width - len(singles))]
    whole.supernet.load_state_dict(joined([single.supernet.state_dict() for single in filled]))
    for name in ("alpha", "weights", "alpha", "weights"):
        found = gradients(whole, name)
        expected = [gradients(single, name) for single in singles]
        for run in (whole, *singles):
            assert all(values.shape == (run.width,) for values in run.step(name).values())
        assert len(found) > 0
        parts = [[part(gradient, place, whole.width) for gradient in found] for place in range(len(singles))]
        torch.testing.assert_close(parts, expected, rtol=1e-10, atol=1e-12)


def test_members_share_crops_where_their_streams_are_the_same(configurations, photographs):
    cs = [configurations[0], configurations[0].with_values(lambda1=0.5), configurations[3]]
    run = Search(cs, photographs["train"], photographs["validation"])
    seen = []
    run.supernet.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    run.step("weights")
    alone = Search(cs[2:], photographs["train"], photographs["validation"])
    alone.supernet.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    alone.step("weights")
    assert torch.equal(seen[0][:, 0], seen[0][:, 1])
    assert torch.equal(seen[0][:, 2], seen[1][:, 0])
    assert not torch.equal(seen[0][:, 0], seen[0][:, 2])


def test_a_search_that_has_settled_ends_alone(configurations, photographs, finish, bits):
    rule = {"search_patience": 10, "search_tolerance": 0.02, "report_iterations": 5, "alpha_learning_rate": 0.05}
    restless = configurations[0].with_values(**rule, lambda1=1.0)
    decided = configurations[1].with_values(**rule, alpha_initial_std=1000.0)
    run = Search([decided, restless], photographs["train"], photographs["validation"])
    stops = [(stop.iteration, [member.has_ended for member in stop.members]) for stop in run.advance(100)]
    assert stops == [(15, [True, False]), (40, [True, True])]
    assert [member.iteration for member in run.members] == [15, 40]
    alone = finish(Search([restless], photographs["train"], photographs["validation"], width=2))
    assert alone.width == run.width == 4
    assert bits(alone) == bits_of(bits, run, restless)


def test_what_does_not_fit_is_refused(pack, configurations):
    with pytest.raises(ValueError, match="a pack of 4 does not hold these 2 configurations"):
        pack([configurations[0], configurations[1].with_values(batch_size=3)], WIDTH)
    with pytest.raises(ValueError, match="a pack of 1 does not hold these 2 configurations"):
        pack(configurations[:2], 1)


@pytest.mark.parametrize("build", [lambda: Supernet((2, 1), 2, 3), lambda: Network(Architecture.parse("FP-P"), 2, 3)])
def test_packed_networks_restore_what_each_restores(build):
    networks = [uneven(build()).double().eval() for _ in range(3)]
    with torch.no_grad():
        for place, network in enumerate(networks):
            for tensor in network.parameters():
                tensor.mul_(1 + 0.1 * place)
    images = [torch.rand(2, 3, 13, 18, dtype=torch.float64) for _ in networks]
    states = [network.state_dict() for network in networks]
    expected = [network(image) for network, image in zip(networks, images, strict=True)]
    whole = packed(networks)
    torch.testing.assert_close(whole(torch.cat(images, 1)), torch.cat(expected, 1))
    for place, state in enumerate(states):
        torch.testing.assert_close(part(whole.state_dict(), place, 3), state, rtol=0, atol=0)


def test_channels_that_are_no_power_of_two_are_not_packed(configurations, photographs):
    assert {full_width(width, channels) for width in (1, 2, 9) for channels in (3, 6, 12, 24)} == {1}
    three = [c.with_values(channels=3) for c in configurations[:2]]
    with pytest.raises(ValueError, match="a pack of 2 does not hold these 2 configurations"):
        Search(three, photographs["train"], photographs["validation"])


def test_by_channel_and_mean_square_error():
    image = torch.arange(2 * 6 * 2 * 2.0).view(2, 6, 2, 2)
    scaled = image * by_channel(torch.tensor([1.0, 10.0, 100.0]), image)
    assert torch.equal(scaled[:, 2:4], 10 * image[:, 2:4])
    errors = mean_square_error(image, torch.zeros_like(image), 3)
    assert errors.tolist() == pytest.approx([image[:, k : k + 2].square().mean().item() for k in (0, 2, 4)])


def test_each_network_is_clipped_by_its_own_norm():
    weights = [torch.nn.Parameter(torch.zeros(4, 3)), torch.nn.Parameter(torch.zeros(2))]
    for weight in weights:
        weight.grad = torch.cat(
            [torch.full_like(half, value) for half, value in zip(weight.chunk(2), (0.1, 7.0), strict=True)]
        )
    clip_gradients(weights, 2, 1.0)
    halves = [[weight.grad.chunk(2)[place] for weight in weights] for place in (0, 1)]
    norms = [math.sqrt(sum(float(half.square().sum()) for half in own)) for own in halves]
    assert norms == pytest.approx([0.1 * math.sqrt(7), 1.0])


@pytest.mark.parametrize(
    ("channels", "precision", "asked", "width"),
    [
        (2, "fp32", 3, 4),
        (4, "fp32", 2, 2),
        (4, "fp32", 3, 4),
        (8, "fp32", 2, 2),
        (16, "fp32", 3, 4),
        (4, "bf16", 2, 4),
        (8, "bf16", 2, 2),
    ],
)
def test_a_pack_is_as_wide_as_leaves_no_place_apart(
    configurations, photographs, bits, channels, precision, asked, width
):
    """Channels beyond the last whole vector would be computed unlike the others."""
    mine, wild = (
        c.with_values(channels=channels, precision=precision, search_iterations=8, report_iterations=2, patch_size=12)
        for c in (configurations[0], configurations[2].with_values(lambda1=1e39))
    )
    others = [wild.with_values(seed=seed) for seed in range(width - 1)]
    assert full_width(asked, channels, precision) == width
    found = []
    for order in ([mine], [mine, *others], [*others, mine], [*others[: width // 2], mine, *others[width // 2 :]]):
        run = Search(order, photographs["train"], photographs["validation"], width=asked if order == [mine] else None)
        for _ in run.advance():
            pass
        assert run.width == width
        found.append(bits_of(bits, run, mine))
    assert found[0] == found[1] == found[2] == found[3]
