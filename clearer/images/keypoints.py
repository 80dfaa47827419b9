"""Keypoints of an image: places that its crops, recompressions and gray copies have, too, with a hash of each.

A keypoint is a local extremum of a band-pass of the gray image, strongest within `RADIUS` pixels. Its hash is the
signs of 64 fixed random projections of the 29×29 pixels around it, sampled every 4 pixels after a blur: a small change
flips few of them. Turned, mirrored or rescaled copies have other hashes.
"""

import numpy as np
import scipy

VERSION = 1
RADIUS, MARGIN, MOST = 12, 16, 1500
SMALLEST_RESPONSE = 1.0
FEWEST = 3
"""Keypoints that must agree on a shift."""
_BINS = 1 << 15
_STEPS = np.arange(-14, 15, 4)
_OFFSETS = np.stack(np.meshgrid(_STEPS, _STEPS, indexing="ij")).reshape(2, -1)


def keypoints(gray: np.ndarray) -> np.ndarray:
    """Keypoints of a uint8 image (height, width): uint64, (keypoints, 3): y, x, hash. A flat image has none."""
    blurred = scipy.ndimage.gaussian_filter(gray.astype(np.float32), 2, truncate=3)
    response = np.abs(blurred - scipy.ndimage.uniform_filter(blurred, 13))
    strongest = (response == scipy.ndimage.maximum_filter(response, 2 * RADIUS + 1)) & (response > SMALLEST_RESPONSE)
    inner = strongest[MARGIN:-MARGIN, MARGIN:-MARGIN]
    y, x = (places + MARGIN for places in np.nonzero(inner))
    if len(y) > MOST:
        kept = np.sort(np.argsort(-response[y, x], kind="stable")[:MOST])
        y, x = y[kept], x[kept]
    samples = blurred[y[:, None] + _OFFSETS[0], x[:, None] + _OFFSETS[1]]
    projections = np.random.default_rng(0).standard_normal((_OFFSETS.shape[1], 64)).astype(np.float32)
    signs = (samples - samples.mean(axis=1, keepdims=True)) @ projections > 0
    hashes = np.packbits(signs, axis=1).view(np.uint64).reshape(-1)
    return np.stack([y.astype(np.uint64), x.astype(np.uint64), hashes], axis=1)


def shared_places(found: list[np.ndarray]) -> dict[tuple[int, int], tuple[int, int]]:
    """Pairs of images (i < j) in which keypoints agree on one shift, and the shift: y_j − y_i, x_j − x_i.

    Two keypoints are compared where one of four parts of their hashes is equal (16 bits, more of over 2^18 keypoints)
    and agree where at most 12 of the 64 bits differ. Parts that more than 48 keypoints have say nothing.
    """
    image = np.repeat(np.arange(len(found)), [len(points) for points in found])
    points = np.concatenate([*found, np.empty((0, 3), np.uint64)])
    one, other = _neighbours(points[:, 2], image)
    shift = points[other, :2].astype(np.int64) - points[one, :2].astype(np.int64)
    pairs, pair = np.unique(image[one] * len(found) + image[other], return_inverse=True)
    votes: dict[int, tuple[int, int, int]] = {}  # of a pair: how many, down, right
    for phase in ((0, 0), (0, 2), (2, 0), (2, 2)):  # bins of 4 × 4 pixels, and bins shifted by half
        down, right = np.clip((shift + phase) // 4, -_BINS, _BINS - 1).T + _BINS
        bins, counts = np.unique((pair * 2 * _BINS + down) * 2 * _BINS + right, return_counts=True)
        for code, count in zip(bins[counts >= FEWEST].tolist(), counts[counts >= FEWEST].tolist(), strict=True):
            code, right_bin = divmod(code, 2 * _BINS)
            number, down_bin = divmod(code, 2 * _BINS)
            if count > votes.get(number, (0,))[0]:
                middles = [4 * (place - _BINS) + 2 for place in (down_bin, right_bin)]
                votes[number] = count, middles[0] - phase[0], middles[1] - phase[1]
    return {divmod(int(pairs[number]), len(found)): votes[number][1:] for number in sorted(votes)}


def _neighbours(hashes: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of keypoints of two images whose hashes are close, each once, the earlier image first."""
    pairs = [np.empty((0, 2), np.int64)]
    width = max(16, len(hashes).bit_length() - 2)
    for part in range(4):
        keys = (hashes >> np.uint64(part * (64 - width) // 3)) & np.uint64((1 << width) - 1)
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=np.uint64(1 << 63)))
        lengths = np.diff(starts, append=len(order))
        for length in range(2, 49):
            first, second = np.triu_indices(length, 1)
            bucket = starts[lengths == length][:, None]
            pairs.append(np.stack([order[bucket + first].ravel(), order[bucket + second].ravel()], axis=1))
    one, other = np.concatenate(pairs).T
    one, other = np.minimum(one, other), np.maximum(one, other)
    close = (image[one] != image[other]) & (np.bitwise_count(hashes[one] ^ hashes[other]) <= 12)
    code = np.unique(one[close] * len(hashes) + other[close])
    return code // max(1, len(hashes)), code % max(1, len(hashes))
