import contextlib
import hashlib
import http.server
import io
import re
import tarfile
import threading
from dataclasses import replace

import numpy as np
import pytest

from clearer.images import archives
from clearer.images.archives import FetchError, download, fetch, unpack
from clearer.images.datasets import ARCHIVES

IMAGES = {f"{split}/{i}.jpg": np.random.default_rng(i).bytes(5000) for split in ("train", "test") for i in range(3)}
DIGESTS = {path: hashlib.sha256(content).hexdigest() for path, content in IMAGES.items()}
FOLDERS = {"data/images/train/": "train/", "data/images/test/": "test/"}


def tar(members, mode="w:gz"):
    """An archive of (name or TarInfo, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as out:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def published(images=IMAGES):
    return [(f"repository-1a2b/data/images/{path}", content) for path, content in images.items()]


GOOD = tar([("repository-1a2b/README.md", b"text"), *published()])


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `content`; closes the connection early `interruptions` times; knows ranges where `ranges` is true."""

    content, interruptions, ranges, requests, status = GOOD, 0, True, [], 200

    def do_GET(self):
        here = type(self)
        asked = self.headers.get("Range")
        here.requests.append(asked)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1)) if asked and here.ranges else 0
        if here.status != 200:
            self.send_error(here.status)
            return
        if start and start >= len(here.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(here.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(here.content) - 1}/{len(here.content)}")
        body = here.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if here.interruptions:
            here.interruptions -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def served(monkeypatch):
    """Starts a server with some settings; its class, and its address."""
    with contextlib.ExitStack() as stack:

        def start(**settings):
            handler = type("Handler", (Server,), {"requests": [], **settings})
            server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(server.shutdown)
            return handler, f"http://127.0.0.1:{server.server_port}/archive.tar.gz"

        yield start


@pytest.fixture
def known(monkeypatch):
    """bsds500 is the small archive of these tests."""
    monkeypatch.setitem(ARCHIVES, "bsds500", replace(ARCHIVES["bsds500"], url="http://127.0.0.1:1/", archive=FOLDERS))
    monkeypatch.setattr(archives, "manifest", lambda name: dict(DIGESTS))


def there(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dataset_is_fetched_verified_and_put_in_place(tmp_path, served, known):
    handler, url = served()
    assert fetch("bsds500", tmp_path, url, pause=0) == 6
    assert there(tmp_path / "bsds500") == IMAGES
    assert there(tmp_path / ".fetch") == {}
    assert fetch("bsds500", tmp_path, url, pause=0) == 0
    assert handler.requests == [None]


def test_an_interrupted_download_goes_on(tmp_path, served, known):
    handler, url = served(interruptions=3)
    assert fetch("bsds500", tmp_path, url, pause=0) == 6
    assert there(tmp_path / "bsds500") == IMAGES
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in handler.requests[1:]]
    assert handler.requests[0] is None
    assert 0 < starts[0] < starts[1] < starts[2] < len(GOOD)


def test_what_arrived_is_kept_for_the_next_time(tmp_path, served, known):
    handler, url = served(interruptions=5)
    with pytest.raises(FetchError, match=r"the connection closed early, 5 times; what has arrived is kept"):
        fetch("bsds500", tmp_path, url, pause=0)
    (part,) = there(tmp_path / ".fetch").values()
    assert GOOD.startswith(part)
    assert fetch("bsds500", tmp_path, url, pause=0) == 6
    assert handler.requests[-1] == f"bytes={len(part)}-"


def test_a_server_without_ranges_starts_again(tmp_path, served, known):
    _, url = served(interruptions=2, ranges=False)
    assert fetch("bsds500", tmp_path, url, pause=0) == 6


@pytest.mark.parametrize("left", [GOOD, GOOD + b"more"])
def test_a_whole_archive_that_was_left_is_used_and_another_file_is_not(tmp_path, served, left):
    handler, url = served()
    path = tmp_path / "archive"
    path.write_bytes(left)
    download(url, path, pause=0)
    assert path.read_bytes() == GOOD
    assert handler.requests == [f"bytes={len(left)}-"] + [None] * (left != GOOD)


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (503, 5)])
def test_a_server_that_refuses_is_named(tmp_path, served, status, requests):
    handler, url = served(status=status)
    with pytest.raises(FetchError, match=rf"^{url}: {status} [^\n]*$"):
        download(url, tmp_path / "archive", pause=0)
    assert len(handler.requests) == requests


def test_no_server_is_named(tmp_path):
    with pytest.raises(FetchError, match=r"^http://127\.0\.0\.1:1/: .*, 5 times"):
        download("http://127.0.0.1:1/", tmp_path / "archive", pause=0)
    with pytest.raises(FetchError, match="not an http or https address"):
        download("file:///etc/passwd", tmp_path / "archive", pause=0)


def test_a_download_without_end_is_stopped(tmp_path, served, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_DOWNLOAD", 1000)
    _, url = served()
    with pytest.raises(FetchError, match="more than 1,000 bytes"):
        download(url, tmp_path / "archive", pause=0)


def test_an_image_that_is_not_the_published_one_is_not_written(tmp_path, served, known):
    _, url = served(content=tar(published(IMAGES | {"train/1.jpg": b"other"})))
    with pytest.raises(FetchError, match=r"train/1\.jpg is not the published image \(its SHA-256 differs\)"):
        fetch("bsds500", tmp_path, url, pause=0)
    assert not (tmp_path / "bsds500" / "train" / "1.jpg").exists()
    assert there(tmp_path / ".fetch") == {}


def test_an_image_that_is_there_and_differs_is_left_alone(tmp_path, known):
    path = tmp_path / "bsds500" / "train" / "1.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    with pytest.raises(FetchError, match=rf"{path}: not the published image; move it away"):
        fetch("bsds500", tmp_path)
    assert path.read_bytes() == b"mine"


def test_only_what_is_missing_is_written(tmp_path, served, known):
    path = tmp_path / "bsds500" / "test" / "2.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(IMAGES["test/2.jpg"])
    _, url = served()
    assert fetch("bsds500", tmp_path, url, pause=0) == 5
    assert there(tmp_path / "bsds500") == IMAGES


def refused(tmp_path, content, reason):
    """The archive is refused in one line, and nothing is outside of the folder of what it may write."""
    archive, target = tmp_path / "archive.tar.gz", tmp_path / "inner" / "target"
    archive.write_bytes(content)
    with pytest.raises(FetchError, match=rf"\A{re.escape(str(archive))}: [^\n]*{reason}[^\n]*\Z"):
        unpack(archive, FOLDERS, DIGESTS, target)
    assert {path for path in there(tmp_path) if not path.startswith("inner/target/")} == {"archive.tar.gz"}
    assert there(target).items() <= IMAGES.items()


@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg",
        "/evil.jpg",
        "r/data/images/train/../../../../evil.jpg",
        "r/../../evil.jpg",
        "r/data/images/train//evil.jpg",
    ],
)
def test_paths_of_an_archive_lead_nowhere(tmp_path, name):
    refused(tmp_path, tar([(name, b"evil")]), "lacks 6 images")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_not_images(tmp_path, kind):
    info = tarfile.TarInfo("r/data/images/train/1.jpg")
    info.type, info.linkname = kind, "/etc/passwd"
    refused(tmp_path, tar([(info, b""), *published({"train/0.jpg": IMAGES["train/0.jpg"]})]), "lacks 5 images")


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_UNPACKED", 100_000)
    for name in ("r/zeros", "r/data/images/train/1.jpg"):
        refused(tmp_path, tar([(name, bytes(10_000_000)), *published()]), "unpacks to more than 100,000 bytes")


@pytest.mark.parametrize("content", [b"", b"text", GOOD[:3000], GOOD[:-300], b"PK\x03\x04" + bytes(100), tar([], "w")])
def test_a_damaged_archive_is_named(tmp_path, content):
    refused(tmp_path, content, "(damaged archive|lacks . images)")


def test_flipped_bytes_never_write_another_image(tmp_path):
    generator = np.random.default_rng(0)
    for place in generator.integers(len(GOOD), size=100):
        data = bytearray(GOOD)
        data[place] ^= int(generator.integers(1, 256))
        archive = tmp_path / "archive.tar.gz"
        archive.write_bytes(data)
        with contextlib.suppress(FetchError):
            unpack(archive, FOLDERS, DIGESTS, tmp_path / "target")
    assert there(tmp_path / "target").items() <= IMAGES.items()


def test_names_that_cannot_be_fetched_are_named(tmp_path):
    with pytest.raises(FetchError, match=r"^set12: no published checksums.*bsds500, bsd68, rain800$"):
        fetch("set12", tmp_path)
    with pytest.raises(FetchError, match=r"^bsd500: not a dataset with an archive; .*did you mean bsds500"):
        fetch("bsd500", tmp_path)


def test_every_archive_fills_its_manifest():
    for name, dataset in ARCHIVES.items():
        paths = archives.manifest(name)
        assert paths
        assert all(any(path.startswith(place) for place in dataset.archive.values()) for path in paths)
        assert re.fullmatch(r"https://codeload\.github\.com/[\w-]+/[\w-]+/tar\.gz/[0-9a-f]{40}", dataset.url)
