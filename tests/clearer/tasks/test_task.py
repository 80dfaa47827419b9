"""What all tasks have in common: test inputs, references, names, and fields that belong to one of them."""

import numpy as np
import pytest
from pictures import picture

from clearer import references
from clearer.configuration import Configuration
from clearer.fields import ConfigurationError
from clearer.images.sets import ImageSet
from clearer.presets import label, preset_values
from clearer.scores import psnr_db
from clearer.splits import learning_images, scored_images
from clearer.tasks.known import OF_TASKS, TASKS, task_of
from clearer.testing import degraded_inputs, scored_pixels

MADE = [
    {"task": "jpeg"},
    {"task": "jpeg", "quality": 10},
    {"task": "super_resolve", "scale": 3},
    {"task": "deblur"},
    {"task": "deblur", "blur": "motion", "blur_size": 15},
]


def configured(**values: object) -> Configuration:
    return Configuration(**{**preset_values("quick", str(values["task"])), **values})


@pytest.mark.parametrize("values", MADE, ids=str)
def test_a_degraded_image_is_a_function_of_content_and_fields(values):
    c, clean = configured(**values), picture(1, 50, 70)
    before, degraded = clean.copy(), task_of(c).degraded(c, clean)
    np.testing.assert_array_equal(task_of(c).degraded(c, np.asfortranarray(clean)), degraded)
    np.testing.assert_array_equal(clean, before)
    assert degraded.dtype == np.uint8
    assert degraded.shape == clean.shape
    others = (configured(**{**values, **other}) for other in ({"quality": 30}, {"scale": 4}, {"blur_noise": 3.0}))
    changed = [not np.array_equal(task_of(o).degraded(o, clean), degraded) for o in others]
    assert changed.count(True) == 1, "the other tasks' fields change nothing"


@pytest.mark.parametrize("values", MADE, ids=str)
def test_crops_and_tests_are_of_images_that_are_degraded_as_a_whole(values):
    c = configured(**values, test_limit=1)
    learnt, tested = learning_images(c, "validation", None), scored_images(c, None)
    np.testing.assert_array_equal(learnt.degraded[0], task_of(c).degraded(c, learnt.clean[0]))
    whole = task_of(c).degraded(c, tested.clean[0])
    np.testing.assert_array_equal(degraded_inputs(c, tested)[0], scored_pixels(c, whole))


@pytest.mark.parametrize("values", MADE, ids=str)
def test_every_reference_beats_the_degraded_image(values):
    c = configured(**values, test_border="whole")
    photograph = scored_images(configured(**values, test_limit=1), None).clean[0][64:192, 128:256]
    degraded = task_of(c).degraded(c, photograph)
    images = ImageSet(("a",), (photograph,), (degraded,))
    (first, alone), *others = references.scored(c, images, images)
    cut = task_of(c).border(c)
    inside = np.s_[cut : 128 - cut, cut : 128 - cut]
    assert alone.psnr_db == [psnr_db((degraded / np.float32(255))[inside], (photograph / np.float32(255))[inside])]
    assert [row["method"] for row, _ in others] == list(task_of(c).methods())
    assert all(row["psnr_db"] > first["psnr_db"] + 0.2 for row, _ in others)


def test_a_field_belongs_to_the_tasks_that_read_it():
    assert {"sigma", "protocol", "quality", "scale", "pairing", "blur"} <= OF_TASKS
    for task in TASKS.values():
        values = {"dataset": "a/folder" if task.is_paired else "embedded"}
        base = Configuration(**{**preset_values("quick", task.name), **values})
        others = {"sigma": 50.0, "quality": 10, "scale": 4, "pairing": "folders", "blur_std": 3.0}
        changed = {
            n for n, v in others.items() if n != "pairing" or not task.is_paired if base.with_values(**{n: v}) != base
        }
        assert changed == others.keys() & set(task.fields) - {"pairing"}


def test_of_a_blur_the_other_kinds_fields_are_not_read():
    assert configured(task="deblur", blur_angle=10.0) == configured(task="deblur")
    assert configured(task="deblur", blur="motion", blur_std=3.0) == configured(task="deblur", blur="motion")
    assert configured(task="deblur", blur="motion", blur_angle=10.0) != configured(task="deblur", blur="motion")


def test_what_tasks_are_called():
    found = {label(configured(**values)).split(" N=")[0] for values in ({"task": "denoise"}, *MADE)}
    assert found == {
        "σ=30",
        "jpeg quality=20",
        "jpeg quality=10",
        "super_resolve scale=3",
        "deblur blur=gaussian",
        "deblur blur=motion blur_size=15",
    }
    said = {task_of(c).said(c) for c in (configured(**values) for values in ({"task": "derain"}, *MADE[1:4]))}
    assert said == {"as given", "quality 10", "×3 bicubic", "gaussian blur, size 25, std 1.6, noise σ = 2"}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"task": "jpeg", "quality": 0}, "quality=0: must be in 1 … 95"),
        ({"task": "super_resolve", "scale": 5}, "scale=5: must be one of 2, 3, 4"),
        ({"task": "deblur", "blur_size": 4}, "blur_size=4: must be odd"),
        ({"task": "deblur", "blur": "motion", "self_ensemble": 8}, "self_ensemble=8: turns would turn"),
        ({"task": "unblur"}, "task=unblur: must be one of denoise, derain, jpeg"),
    ],
)
def test_a_bad_value_is_named_in_one_line(values, why):
    with pytest.raises(ConfigurationError, match=why) as refused:
        configured(**values)
    assert "\n" not in str(refused.value)
