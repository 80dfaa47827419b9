"""Tasks of one's own: what of a file is their source, what it makes, and what is wrong with one."""

import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clearer.configuration import Configuration
from clearer.fields import ConfigurationError
from clearer.images.reading import ImageError
from clearer.presets import label, preset_values
from clearer.tasks import own
from clearer.tasks.known import task_of
from studies.work.place import Place

FILE = '''
"""A study."""
import os
from math import floor, pi as circle
import numpy as np
from studies import Study, Task

LEVELS = 4
AXES = {"quick": {"strength": [1.0]}}

def coarse(image, strength):
    return np.floor(image / (LEVELS * strength)) * LEVELS * strength

def other():
    return floor(circle)

class Coarse(Task):
    name = "coarse"
    departures = {"": {"strength": 8.0}}

    def degrade(self, c, clean, generator):
        return coarse(clean, c.strength)
'''


def task_in(folder: Path, text: str = FILE, name: str = "Coarse") -> type:
    """The class of a file."""
    path = folder / f"file_{len(list(folder.iterdir()))}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Tests leave no tasks."""
    monkeypatch.setattr(own, "_tasks", {})
    monkeypatch.setattr(own, "_sources", {})


def configured(**values):
    return Configuration(**{**preset_values("quick", "coarse"), **values})


def test_the_source_is_the_class_and_what_it_names(tmp_path):
    text = own.source(task_in(tmp_path))
    assert text.startswith("import numpy as np\nfrom studies import Task\nLEVELS = 4\n")
    assert text.endswith("\nTASK = Coarse")
    assert "def coarse(" in text
    for unneeded in ("os", "Study", "floor", "other", "AXES", "A study"):
        assert unneeded not in text.replace("np.floor", "").replace("class Coarse", ""), unneeded


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("LEVELS = 4", "LEVELS = 5", True),
        ("* strength", "* strength * 1", True),
        ("8.0", "9.0", True),
        ("[1.0]", "[2.0]", False),
        ("circle", "round", False),
        ('"""A study."""', "", False),
    ],
)
def test_what_the_task_does_not_name_does_not_change_its_hash(tmp_path, old, new, changes):
    own.register(task_in(tmp_path))
    first = own.hash_of("coarse")
    own.register(task_in(tmp_path, FILE.replace(old, new)))
    assert (own.hash_of("coarse") != first) == changes


def test_name_and_hash_enter_the_identity_and_what_it_makes_is_what_was_written(tmp_path):
    own.register(task_in(tmp_path))
    c = configured()
    assert (c.task, c.strength, c.task_source) == ("coarse", 8.0, own.hash_of("coarse"))
    assert {"task", "strength", "task_source"} <= c.of_stage("search").keys()
    assert label(c).startswith("coarse strength=8 ")
    clean = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    np.testing.assert_array_equal(task_of(c).degraded(c, clean), clean // 32 * 32)
    own.register(task_in(tmp_path, FILE.replace("LEVELS = 4", "LEVELS = 8")))
    assert configured().trial_id != c.trial_id
    np.testing.assert_array_equal(task_of(c).degraded(c, clean), clean // 32 * 32)
    assert Configuration.stored(c.values()) == c


def test_without_its_source_a_trial_is_read_and_says_what_is_missing(tmp_path, monkeypatch):
    own.register(task_in(tmp_path))
    c = configured()
    monkeypatch.setattr(own, "_tasks", {})
    again = Configuration.stored(c.values())
    assert again.trial_id == c.trial_id
    with pytest.raises(ImageError, match=f"task=coarse: its source {c.task_source} is not here; run the study"):
        task_of(again).degraded(again, np.zeros((16, 16, 1), np.uint8))


def test_a_node_that_a_place_arrives_at_knows_the_task(tmp_path):
    own.register(task_in(tmp_path))
    (tmp_path / "sent").write_bytes(pickle.dumps((configured(), Place("/store", None))))
    code = (
        "import pickle, sys, numpy as np\nfrom clearer.tasks.known import task_of\n"
        "c, place = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(task_of(c).degraded(c, np.full((2, 2, 1), 100, np.uint8)).ravel(), place.storage)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "sent")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[96 96 96 96] /store\n"


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("missing(clean)", r"task=coarse: degrade fails \(NameError: name 'missing' is not defined\)"),
        ("clean[:5]", r"task=coarse: degrade makes \(5, 16, 1\) of \(16, 16, 1\); keep the shape"),
        ('clean * float("nan")', "task=coarse: degrade makes values that are not finite"),
        ("clean[:3] + clean", r"task=coarse: degrade fails \(ValueError: operands could not be broadcast"),
    ],
)
def test_a_task_that_makes_nothing_is_one_line(tmp_path, made, why):
    own.register(task_in(tmp_path, FILE.replace("return coarse(clean, c.strength)", f"return {made}")))
    c = configured()
    with pytest.raises(ConfigurationError, match=why) as refused:
        task_of(c).degraded(c, np.zeros((16, 16, 1), np.uint8))
    assert "\n" not in str(refused.value)


def test_a_source_that_cannot_be_read_or_run_is_one_line(tmp_path):
    unread = type("Typed", (own.Task,), {"name": "typed"})
    with pytest.raises(ConfigurationError, match="task=typed: its source can't be read"):
        own.register(unread)
    here = FILE.replace("LEVELS = 4", "import importlib\nLEVELS = importlib.import_module(PLACE).n\n").replace(
        "import os", "import os, sys\nPLACE = 'math'\nsys.modules['math'].n = 4"
    )
    changed = task_in(tmp_path, here)
    del sys.modules["math"].n
    with pytest.raises(
        ConfigurationError, match=r"task=coarse: its source can't be run \(AttributeError: module 'math'"
    ):
        own.register(changed)
