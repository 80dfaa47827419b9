import numpy as np
import pytest
from pictures import picture

from clearer.images.keypoints import keypoints, shared_places
from clearer.images.reading import bt601


def test_keypoints_move_with_the_image():
    gray = bt601(picture(1, 240, 320))
    whole, crop = (keypoints(image) for image in (gray, gray[10:200, 30:300]))
    moved = {(int(y) + 10, int(x) + 30) for y, x, _ in crop}
    kept = {(int(y), int(x)) for y, x, _ in whole} & moved
    assert len(kept) > 0.7 * len(crop) > 10
    down, right = shared_places([whole, crop])[0, 1]
    assert abs(down + 10) <= 2
    assert abs(right + 30) <= 2


@pytest.mark.parametrize("shape", [(1, 1), (20, 300), (32, 32), (33, 33)])
def test_small_images_have_few_keypoints_or_none(shape):
    found = keypoints(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    assert found.shape == (len(found), 3)
    assert len(found) <= 4
    assert shared_places([found, found[:0]]) == {}
    assert shared_places([]) == {}
