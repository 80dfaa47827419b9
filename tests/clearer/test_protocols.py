import numpy as np
import pytest

from clearer.protocols import scored_area


@pytest.mark.parametrize(("side", "kept"), [(1, 1), (63, 63), (64, 64), (127, 64), (128, 128), (321, 320)])
def test_the_scored_area_is_cut_to_multiples_of_64(side, kept):
    image = np.random.default_rng(0).integers(0, 256, (side, 70, 1), dtype=np.uint8)
    np.testing.assert_array_equal(scored_area(image, "crop64"), image[:kept, :64])
    top = (side - kept) // 2
    np.testing.assert_array_equal(scored_area(image, "centre64"), image[top : top + kept, 3:67])
    assert scored_area(image, "whole") is image
