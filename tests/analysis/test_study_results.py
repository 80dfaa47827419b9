"""All that one study found, in one object."""

from functools import cached_property
from pathlib import Path

import pandas as pd
import pytest

import analysis


class Found(analysis.Results):
    """Results of two protocols of three trials, without a store."""

    @cached_property
    def groups(self) -> list[tuple[str, pd.DataFrame]]:
        rows = pd.DataFrame({"trial_id": list("abc"), "parameters": [1, 2, 3], "psnr_db": [28.0, 30.0, 29.0]})
        rows["psnr_by_image"] = [[27.0, 29.0], None, [28.0, 30.0]]
        return [("one", rows), ("another", rows.assign(psnr_db=[3.0, 2.0, 1.0]))]


def test_the_front_is_that_of_a_protocol() -> None:
    results = Found("nowhere", "s")
    assert results.front()["trial_id"].tolist() == ["a", "b"]
    assert results.front(group=1)["trial_id"].tolist() == ["a"]
    assert results.front(minimise=[], maximise=["parameters"])["trial_id"].tolist() == ["c"]
    with pytest.raises(IndexError, match="group 2: the study has 2 protocols"):
        results.front(group=2)


def test_scores_are_an_array_of_runs_and_images() -> None:
    scores = Found("nowhere", "s").image_scores()
    assert scores.index.tolist() == ["a", "c"], "a row without figures by image is left out"
    assert scores.values.tolist() == [[27, 29], [28, 30]]
    uneven = pd.DataFrame({"trial_id": ["a", "b"], "psnr_by_image": [[1.0], [1.0, 2.0]]})
    with pytest.raises(ValueError, match="tested on 1 or 2 images: choose rows of one protocol"):
        analysis.image_scores(uneven)


def test_a_study_without_rows_has_no_front(tmp_path: Path) -> None:
    (tmp_path / "studies" / "s").mkdir(parents=True)
    results = analysis.Results(tmp_path, "s")
    assert len(results.front()) == len(results.image_scores()) == len(results.figures()) == 0


def test_no_name_that_is_exported_hides_a_module() -> None:
    modules = {path.stem for path in Path(analysis.__file__).parent.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not set(analysis.__all__) & modules
    assert all(hasattr(analysis, name) for name in analysis.__all__)
