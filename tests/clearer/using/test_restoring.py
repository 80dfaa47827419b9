import errno
import os
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn

from clearer.__main__ import main
from clearer.architecture import Architecture
from clearer.checkpoint import pack_network, read_network
from clearer.networks import Network
from clearer.testing import as_tensor
from clearer.using import restoring
from clearer.using.photographs import Photograph, read_photograph, write_png
from clearer.using.tiling import default_tile, restored_tiles

GRAY, COLOUR = 1, 3


def trained(image_channels, text="F-P", channels=2):
    """A network whose results lie about the middle of 0 … 1."""
    torch.manual_seed(0)
    network = Network(Architecture.parse(text), channels, image_channels)
    image = torch.rand(4, image_channels, 16, 16)
    with torch.no_grad():
        network(image)
        nn.init.uniform_(network.head.weight, 0.1, 1)
        network.eval().head.weight.mul_(0.5 / network(image).mean())
    return network


def pixels(channels, dtype=np.uint8, size=(21, 34)):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (*size, channels), dtype, endpoint=True)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with networks and images, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gray.safetensors").write_bytes(pack_network(trained(GRAY), task="denoise", sigma=30.0))
    (tmp_path / "colour.safetensors").write_bytes(pack_network(trained(COLOUR)))
    PIL.Image.fromarray(pixels(3)).save("photo.png")
    PIL.Image.fromarray(pixels(1)[..., 0]).save("scan.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "photo.png").read_bytes()[:900])
    return tmp_path


def restore(*arguments, network="gray.safetensors"):
    return main(["restore", "--network", network, "--out", "out", "--device", "cpu", *map(str, arguments)])


def shown(path):
    """An image, decoded by another reader than ours; its file is closed."""
    with PIL.Image.open(path) as image:
        image.load()
        return image


def refused(capsys, *arguments, **more):
    """The one line that a mistake in the request is answered with."""
    with pytest.raises(SystemExit) as stopped:
        restore(*arguments, **more)
    out, err = capsys.readouterr()
    assert (stopped.value.code, out, err.count("\n")) == (2, "", 1)
    return err


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["gray", "colour"])
def test_an_image_is_restored_in_its_bit_depth(place, kind, channels, dtype):
    given = pixels(channels, dtype)
    count = 1 if channels < 3 else 3
    alpha = given[..., count:] if channels % 2 == 0 else None
    with open("image.png", "wb") as file:
        write_png(Photograph(given[..., :count], alpha), file)
    assert restore("image.png", network=f"{kind}.safetensors") == 0
    found = read_photograph(place / "out" / "image.png")
    ((_, expected),) = restored_tiles(trained(GRAY if kind == "gray" else COLOUR), given[..., :count], 1000)
    white = np.iinfo(dtype).max
    assert found.colour.dtype == dtype
    np.testing.assert_allclose(found.colour, expected.clip(0, 1) * white, atol=0.5 + 1e-5 * white)
    assert len(np.unique(found.colour)) > 50
    assert (alpha is None and found.alpha is None) or np.array_equal(found.alpha, alpha)


def test_the_network_s_result_is_written(place):
    assert restore("scan.png") == 0
    with torch.inference_mode():
        expected = trained(GRAY)(as_tensor(pixels(1).astype(np.float32) / 255)[None])[0, 0].clamp(0, 1) * 255
    found = np.asarray(shown("out/scan.png"))
    np.testing.assert_allclose(found, expected, atol=0.5001)


def test_it_says_what_it_does(place, capsys):
    assert restore("photo.png", "scan.png", "--tile", 16) == 0
    first, photo, scan = capsys.readouterr().out.splitlines()
    assert first == "network F-P, 2 channels, gray; trained with task=denoise, sigma=30.0"
    assert photo.startswith("photo.png → out/photo.png: 34×21, 8 bits, 6 tiles, gray network: each channel by itself, ")
    assert scan.startswith("scan.png → out/scan.png: 34×21, 8 bits, 6 tiles, ")
    assert restore("scan.png", "--overwrite", network="colour.safetensors") == 0
    assert "gray as three equal channels, averaged" in capsys.readouterr().out


def test_tiles_and_threads_do_not_matter(place):
    for folder, options in (("a", []), ("b", ["--tile", 8, "--threads", 1])):
        assert restore("photo.png", "--self-ensemble", 8, "--out", folder, *options) == 0
    one, other = (np.asarray(shown(f"{folder}/photo.png")).astype(int) for folder in "ab")
    assert np.abs(one - other).max() <= 1
    assert (one != other).mean() < 1e-3


def test_profile_and_orientation_are_kept(place):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(pixels(3)).save("photo.jpg", exif=exif, icc_profile=b"a profile")
    assert restore("photo.jpg") == 0
    found = shown("out/photo.png")
    assert (found.size, found.info["icc_profile"], found.getexif()[0x0112]) == ((34, 21), b"a profile", 6)


def test_what_fails_is_named_and_the_others_are_restored(place, capsys):
    assert restore("broken.png", "missing.png", "photo.png") == 1
    out, err = capsys.readouterr()
    assert os.listdir("out") == ["photo.png"]
    assert [line.split(": ")[:2] for line in err.splitlines()] == [
        ["python -m clearer restore", "broken.png"],
        ["python -m clearer restore", "missing.png"],
    ]
    assert "out/photo.png" in out


def test_nothing_is_written_where_all_fail(place, capsys):
    assert restore("broken.png") == 2
    assert restore("broken.png", "missing.png", ".") == 2
    assert capsys.readouterr().err.count("\n") == 4
    assert not (place / "out").exists()


def test_a_network_of_nan_is_named(place, capsys):
    network = trained(GRAY)
    nn.init.constant_(network.head.weight, float("nan"))
    (place / "nan.safetensors").write_bytes(pack_network(network))
    assert restore("scan.png", network="nan.safetensors") == 2
    assert "scan.png: the network's result is not finite" in capsys.readouterr().err
    assert os.listdir("out") == []


def test_a_full_disk_leaves_nothing_half_written(place, capsys, monkeypatch):
    def fills(photograph, file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(restoring, "write_png", fills)
    assert restore("scan.png") == 2
    assert "out/scan.png: No space left on device" in capsys.readouterr().err
    assert os.listdir("out") == []


def test_ctrl_c_leaves_nothing_half_written(place, capsys, monkeypatch):
    def stopped(photograph, file):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(restoring, "write_png", stopped)
    assert restore("scan.png") == 130
    assert os.listdir("out") == []


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")]
)
def test_too_little_memory_names_the_tile(place, capsys, monkeypatch, error):
    def fails(*arguments):
        raise error

    monkeypatch.setattr(restoring, "restored_tiles", fails)
    assert restore("scan.png", "--tile", 512) == 2
    assert "scan.png: not enough memory with --tile 512; give a smaller one" in capsys.readouterr().err


def test_other_errors_are_not_hidden(place, monkeypatch):
    def fails(*arguments):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(restoring, "restored_tiles", fails)
    with pytest.raises(RuntimeError, match="ours"):
        restore("scan.png")


def test_existing_files_are_replaced_only_on_demand(place, capsys):
    (place / "out").mkdir()
    (place / "out" / "scan.png").write_bytes(b"mine")
    assert "out/scan.png: exists already; --overwrite replaces it" in refused(capsys, "photo.png", "scan.png")
    assert os.listdir("out") == ["scan.png"]
    assert (place / "out" / "scan.png").read_bytes() == b"mine"
    assert restore("scan.png", "--overwrite") == 0
    assert shown("out/scan.png").size == (34, 21)


def test_two_images_of_one_name_are_refused(place, capsys):
    assert "photo.png and photo.jpg would both be written as out/photo.png" in refused(capsys, "photo.png", "photo.jpg")
    assert "would both be written" in refused(capsys, "photo.png", "photo.png")


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_an_input_is_never_replaced(place, capsys, options):
    before = (place / "photo.png").read_bytes()
    assert "would replace photo.png" in refused(capsys, "photo.png", "--out", ".", *options)
    assert (place / "photo.png").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--tile", "0"], "'0' is not a whole number above 0"),
        (["--tile", "3"], "--tile 3: less than 4 pixels"),
        (["--self-ensemble", "4"], "--self-ensemble"),
        (["--threads", "-1"], "--threads"),
        (["--device", "tpu"], "--device"),
        (["--network", "missing.safetensors"], "missing.safetensors: no such file"),
        (["--network", "photo.png"], "photo.png: not a network of this project"),
        (["--network", "."], ".: Is a directory"),
        (["--out", "scan.png"], "--out scan.png: "),
        (["--out", "scan.png/deep/er"], "scan.png is a file; name a folder"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_and_computes_nothing(place, capsys, arguments, named):
    before = sorted(os.listdir())
    assert named in refused(capsys, "photo.png", *arguments)
    assert sorted(os.listdir()) == before


def test_a_folder_that_may_not_be_written_to_is_refused(place, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "--out out: may not be written to" in refused(capsys, "photo.png")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_gpu_is_named(place, capsys):
    assert "--device cuda: PyTorch finds no CUDA device" in refused(capsys, "photo.png", "--device", "cuda")


@pytest.mark.drill
def test_24_megapixels_in_less_than_2_gib(tmp_path):
    """Untiled, the same takes about 6 GiB; four minutes on one core."""
    (tmp_path / "network.safetensors").write_bytes(pack_network(trained(COLOUR, "FPFP-FPFF-PFFP", 4)))
    network, _ = read_network(tmp_path / "network.safetensors")
    PIL.Image.fromarray(pixels(3, size=(4000, 6000))).save(tmp_path / "photo.png", compress_level=1)
    command = [
        sys.executable,
        "-m",
        "clearer",
        "restore",
        "--network",
        "network.safetensors",
        "photo.png",
        "--out",
        "out",
    ]
    path = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [*command, "--device", "cpu", "--threads", "1"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # wait4 goes behind its back
    assert process.returncode == 0
    assert usage.ru_maxrss / 2**20 < 2  # GiB; Linux counts KiB

    given = pixels(3, size=(4000, 6000))
    with torch.inference_mode():
        whole = network(as_tensor(given.astype(np.float32) / 255)[None])[0].numpy()
    for area, restored in restored_tiles(network, given, default_tile(network)):
        expected = np.moveaxis(whole[:, area.top : area.bottom, area.left : area.right], 0, -1)
        assert np.abs(restored - expected).max() < 1e-4
    written = np.asarray(shown(tmp_path / "out" / "photo.png"))
    expected = np.moveaxis(whole, 0, -1).clip(0, 1) * 255
    assert np.abs(written - expected).max() < 0.51
