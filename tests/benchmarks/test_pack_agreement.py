"""The figures of `benchmarks.pack_agreement`."""

import pytest

from benchmarks.pack_agreement import agreement, compared, lines
from clearer.configuration import Configuration
from clearer.presets import QUICK


def test_agreement_is_counted_by_column():
    found = agreement([([0.9, 0.2, 0.6], [0.8, 0.4, 0.4]), ([0.1], [0.3])])
    assert (found["columns"], found["alike"]) == (4, 3)
    assert found["distance"] == pytest.approx((0.1 + 0.2 + 0.2 + 0.2) / 4)
    assert (found["low"], found["high"]) == pytest.approx((0.300642, 0.954413), abs=1e-5)  # Wilson 1927, by hand


def test_a_search_agrees_with_itself():
    small = {"channels": 2, "batch_size": 2, "patch_size": 16, "cells": 2, "columns": (2,), "report_iterations": 15}
    short = Configuration(**{**QUICK, **small, "search_iterations": 6, "warmup_iterations": 2})
    found = compared([short.with_values(seed=seed, lambda1=0.1 * seed) for seed in range(2)])
    assert found["alone, and in a pack"]["columns"] == 2 * 4
    assert found["alone, and in a pack"]["distance"] < 0.01 < found["different seeds, alone"]["distance"] * 100
    assert len(lines(found)) == 2 + 4
