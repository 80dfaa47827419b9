import hashlib
import json
import os
import pickle

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from clearer.architecture import Architecture
from clearer.checkpoint import DamagedError, pack_network, pack_state, read_network, unpack_network, unpack_state
from clearer.networks import Network

STATE = {
    "stage": "search",
    "iteration": 3,
    "curve": [{"alpha": [0.1, 0.9]}],
    "network": {"a": torch.arange(6.0).reshape(2, 3)},
    "sums": {},
}


class Evil:
    """Unpickled, it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def lively(channels=2, image_channels=1):
    torch.manual_seed(0)
    network = Network(Architecture.parse("PF-F"), channels, image_channels)
    network(torch.rand(2, image_channels, 8, 8))
    return network


def with_header(data, change):
    """Bytes of a network whose metadata `change` edits."""
    length = int.from_bytes(data[:8], "little")
    about = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["clearer"])
    return safetensors.torch.save(safetensors.torch.load(data), {"clearer": json.dumps(change(about))})


NETWORK = pack_network(lively())


def test_a_state_round_trips():
    found = unpack_state(pack_state(STATE))
    assert torch.equal(found.pop("network")["a"], STATE["network"]["a"])
    assert found == {name: value for name, value in STATE.items() if name != "network"}


@given(st.data())
def test_a_damaged_state_is_refused(data):
    packed = pack_state(STATE)
    position = data.draw(st.integers(0, len(packed) - 1))
    flipped = packed[:position] + bytes([packed[position] ^ data.draw(st.integers(1, 255))]) + packed[position + 1 :]
    for damaged in (flipped, packed[:position], packed + b"\0"):
        with pytest.raises(DamagedError, match="damaged"):
            unpack_state(damaged)


@pytest.mark.parametrize("body", [b"", b"not a checkpoint"])
def test_a_hash_does_not_make_a_state(body):
    with pytest.raises(DamagedError):
        unpack_state(hashlib.sha256(body).digest() + body)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_damage(data):
    for unpack in (unpack_state, unpack_network):
        with pytest.raises(DamagedError):
            unpack(data)


def test_nothing_executes_what_it_reads(tmp_path):
    evil = pickle.dumps(Evil(str(tmp_path / "harm")), protocol=2)
    with pytest.raises((DamagedError, pickle.UnpicklingError)):
        unpack_state(hashlib.sha256(evil).digest() + evil)
    with pytest.raises((DamagedError, pickle.UnpicklingError)):
        unpack_state(pack_state({"network": Evil(str(tmp_path / "harm"))}))
    with pytest.raises(DamagedError):
        unpack_network(evil)
    assert not (tmp_path / "harm").exists()
    pickle.loads(evil)
    assert (tmp_path / "harm").exists()  # it would have done harm


@pytest.mark.parametrize("image_channels", [1, 3])
def test_a_network_round_trips(image_channels):
    network = lively(3, image_channels).to(memory_format=torch.channels_last)
    again = unpack_network(pack_network(network, sigma=30.0))
    assert (again.architecture, again.channels, again.image_channels) == (network.architecture, 3, image_channels)
    assert not again.training
    states = network.state_dict(), again.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    image = torch.rand(1, image_channels, 9, 7)
    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(image), again(image))


def test_notes_travel_with_the_network():
    found = []
    with_header(pack_network(lively(), sigma=30.0, protocol="clip8"), lambda about: found.append(about) or about)
    own = {"architecture": "PF-F", "channels": 2, "image_channels": 1, "skip": "none"}
    assert found == [{**own, "sigma": 30.0, "protocol": "clip8"}]


def test_a_skip_travels_with_the_network_and_earlier_versions_had_none():
    network = Network(Architecture.parse("PF-F"), 2, 1, "global").eval()
    data = pack_network(network)
    assert unpack_network(data).skip == "global"
    image = torch.rand(1, 1, 9, 7)
    with torch.inference_mode():
        assert torch.equal(network(image), unpack_network(data)(image))
    without = with_header(NETWORK, lambda about: {name: value for name, value in about.items() if name != "skip"})
    assert unpack_network(without).skip == "none"


@pytest.mark.parametrize(
    "other",
    [
        {"architecture": "FP-F"},
        {"architecture": "PX"},
        {"channels": 3},
        {"channels": "2"},
        {"image_channels": 3},
        {"channels": 10**6},
        {"architecture": "PF-F" + "-P" * 500, "channels": 10**4},
    ],
)
def test_a_network_that_does_not_fit_its_description_is_damaged(other):
    assert unpack_network(with_header(NETWORK, lambda about: about)).channels == 2
    with pytest.raises(DamagedError, match="not a network of this project"):
        unpack_network(with_header(NETWORK, lambda about: {**about, **other}))


@pytest.mark.parametrize("length", [0, 8, 500, len(NETWORK) - 1])
def test_a_truncated_network_is_damaged(length):
    with pytest.raises(DamagedError):
        unpack_network(NETWORK[:length])


def test_another_project_s_tensors_are_refused():
    with pytest.raises(DamagedError):
        unpack_network(safetensors.torch.save({"a": torch.zeros(2)}, {"format": "pt"}))
    with pytest.raises(DamagedError):
        unpack_network(with_header(NETWORK, lambda about: [about]))


def test_a_file_gives_the_network_and_its_notes(tmp_path):
    path = tmp_path / "network.safetensors"
    path.write_bytes(pack_network(lively(3), sigma=30.0, protocol="clip8"))
    network, notes = read_network(path)
    assert (str(network.architecture), network.channels, network.training) == ("PF-F", 3, False)
    assert notes == {"sigma": 30.0, "protocol": "clip8"}


@pytest.mark.parametrize(
    ("name", "reason"), [("no", "no such file; studies keep"), ("text", "not a network"), ("", "Is a")]
)
def test_a_file_without_a_network_is_named_in_one_line(tmp_path, name, reason):
    (tmp_path / "text").write_text("not a network")
    with pytest.raises(DamagedError, match=reason) as refused:
        read_network(tmp_path / name)
    assert str(refused.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(refused.value)
