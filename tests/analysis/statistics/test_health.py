"""What is wrong with a study, on rows and curves whose faults are known."""

from typing import Any

import pandas as pd
import pytest

from analysis.statistics.health import Finding, health, training_ends

REFERENCES = pd.DataFrame({"method": ["noisy input", "total variation", "wavelets, BayesShrink"]})


def rows_of(*own: dict[str, Any]) -> pd.DataFrame:
    """Sound rows, which what is their own changes: three seeds of one search and its three trainings."""
    sound: dict[str, Any] = {"kind": "searched", "status": "finished", "task": "denoise", "psnr_db": 28.0}
    sound |= {"degraded_psnr_db": 18.9, "allow_overlap": False, "skip": "none", "weights_optimizer": "sgd"}
    sound |= {"test_time_ms": 3.0, "test_time_spread": 0.01, "test_time_error": None, "replicate_id": "a"}
    three = [{"trial_id": f"t{n}", "train_key": f"k{n}", "seed": n} for n in range(3)]
    filled = [*own, *([{}] * (3 - len(own)))]
    return pd.DataFrame([{**sound, **usual, **one} for usual, one in zip(three, filled, strict=False)])


def curve(trial: str, *psnr_db: float) -> pd.DataFrame:
    about = {"trial_id": trial, "stage": "train", "iteration": range(10, 10 * len(psnr_db) + 10, 10)}
    return pd.DataFrame({**about, "psnr_db": psnr_db})


def only(rows: pd.DataFrame, fault: str, curves: pd.DataFrame | None = None, **about: Any) -> Finding:
    """The only finding, which is of this fault."""
    (found,) = health(rows, pd.DataFrame() if curves is None else curves, REFERENCES, about)
    assert found.fault == fault
    assert found.text.endswith(".")
    assert found.mend
    return found


def test_a_sound_study_has_no_finding() -> None:
    flat = pd.concat([curve(f"t{n}", 20, 25, 28, 28.1, 28.2) for n in range(3)])
    assert health(rows_of(), flat, REFERENCES) == []
    assert health(pd.DataFrame(), pd.DataFrame(), pd.DataFrame()) == [], "nothing has ended"
    failed = rows_of().assign(status="failed", psnr_db=None)
    assert health(failed, pd.DataFrame(), pd.DataFrame()) == []


def test_networks_below_their_input_are_counted_once_a_training() -> None:
    rows = rows_of({"psnr_db": 15.0}, {"psnr_db": 12.5}, {"psnr_db": 18.9})
    again = rows.iloc[:1].assign(trial_id="t9", kind="given", replicate_id="b")
    found = only(pd.concat([rows, again], ignore_index=True), "below input")
    assert found.numbers == {"networks": 2, "trained": 3, "worst_db": 12.5, "input_db": 18.9}
    assert found.trials == ("t0", "t1", "t9"), "all rows that hold such a network"
    assert "2 of 3 trained networks: the worst has 12.50 dB where its input has 18.90" in found.text


def test_images_that_splits_share_are_said_with_what_was_recorded() -> None:
    rows = rows_of().assign(allow_overlap=True)
    runs = [{"overlaps": ["2 of x test overlap 2 of x train"]}, {}, {"overlaps": ["2 of x test overlap 2 of x train"]}]
    assert only(rows, "split overlap", runs=runs).text.count("2 of x test overlap 2 of x train") == 1
    assert "was not recorded" in only(rows, "split overlap").text


def test_a_skip_searched_with_sgd_is_named_and_others_are_not() -> None:
    found = only(rows_of({"skip": "global"}, {"skip": "global", "weights_optimizer": "adam"}), "skip with sgd")
    assert found.trials == ("t0",)
    assert found.numbers == {"searches": 1}
    older = rows_of().drop(columns=["skip", "weights_optimizer"])
    assert health(older, pd.DataFrame(), REFERENCES) == []


def test_how_a_training_ended_is_read_off_its_curve() -> None:
    both = pd.concat([curve("t0", *range(20, 40)), curve("t1", 20, 30, 30, 26), curve("t2", 20, 21, 22)])
    ends = training_ends(both).set_index("trial_id")
    assert ends.index.tolist() == ["t0", "t1"], "three reports say nothing"
    assert ends.loc["t0"].tolist() == [(38 + 39) / 2 - (33 + 34) / 2, 0.5]
    assert ends.loc["t1"].tolist() == [26 - 30, 4]
    assert training_ends(pd.DataFrame()).empty


def test_trainings_that_moved_or_fell_at_the_end_are_counted_once() -> None:
    rows = rows_of()
    again = rows.iloc[:1].assign(trial_id="t9", kind="given", replicate_id="b")
    both = pd.concat([rows, again], ignore_index=True)
    moved = only(both, "still moving", pd.concat([curve(t, 20, 24, 26, 28.5) for t in ("t0", "t9")]))
    assert moved.numbers == {"trainings": 1, "most_db": 2.5}
    fell = only(both, "fell", pd.concat([curve(t, 20, 26, 25, 24) for t in ("t0", "t9")]))
    assert fell.numbers == {"trainings": 1, "most_db": 2}
    assert "1 of 1 training, by up to 2.00 dB" in fell.text


def test_one_training_of_several_settings_is_said_with_how_many_there_are() -> None:
    rows = rows_of()
    both = pd.concat([rows, rows.assign(replicate_id="b", trial_id=["u0", "u1", "u2"])], ignore_index=True)
    both.loc[5, "train_key"] = "k9"
    found = only(both, "shared trainings")
    assert found.numbers == {"searches": 6, "trainings": 4}
    assert found.trials == ("t0", "t1", "u0", "u1")


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_are_said_with_the_fewest(seeds: int) -> None:
    found = only(rows_of().iloc[:seeds], "few seeds")
    assert found.numbers == {"configurations": 1, "searched": 1, "seeds": seeds}


def test_times_that_were_refused_or_taken_beside_other_load() -> None:
    error = "the device is not steady"
    refused = only(rows_of({"test_time_ms": None, "test_time_spread": None, "test_time_error": error}), "no time")
    assert refused.trials == ("t0",)
    assert error in refused.text
    unsteady = only(rows_of({"test_time_spread": 0.25}, {"test_time_spread": 0.11}), "unsteady time")
    assert unsteady.numbers == {"times": 2, "most": 0.25}


def test_denoisers_that_were_left_out_name_the_package() -> None:
    (found,) = health(rows_of(), pd.DataFrame(), REFERENCES[:2])
    assert (found.fault, found.mend.split(",")[0]) == ("methods missing", "pip install PyWavelets")
    assert health(rows_of().assign(task="derain"), pd.DataFrame(), REFERENCES[:1]) == [], "they are for noise alone"


def test_the_gravest_finding_comes_first() -> None:
    found = health(rows_of({"psnr_db": 15.0}).iloc[:2], pd.DataFrame(), REFERENCES)
    assert [one.fault for one in found] == ["below input", "few seeds"]


def test_rows_of_a_gpu_beside_those_of_a_cpu_are_said() -> None:
    devices = "A100", "EPYC, 2 threads", "EPYC, 1 thread"
    rows = rows_of(*({"search_device": device, "train_device": "A100"} for device in devices))
    found = only(rows, "mixed devices")
    assert found.numbers == {"rows": 3, "on_cpu": 2}
    assert found.trials == ("t0",)
    assert found.text.startswith("On a GPU ran 1 of 3 searches")
