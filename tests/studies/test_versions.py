"""A store outlives its version: nothing is computed again because a field was added, renamed or removed."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from in_process import InProcess, session_of
from running import ROOT
from small import NO_DATA
from tracking_servers import contents, runs

import analysis
from analysis.storage.files import FORMAT
from analysis.storage.places import StorageError
from clearer.configuration import REMOVED, Configuration
from clearer.fields import ConfigurationError
from studies import lambda_pareto
from studies.__main__ import main
from studies.driver.command_line import main as run_study
from studies.planning.plan import Plan
from studies.store.store import Store
from studies.store.study_file import planned_trials, read_study
from studies.tracking.live import sync_study
from studies.work.jobs import Search, Train
from studies.work.keys import Trial

STUDY = "lambda_pareto"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the first version."""
    folder = tmp_path_factory.mktemp("first")
    with tarfile.open(Path(__file__).with_name("store-1.tar.gz")) as archive:
        archive.extractall(folder, filter="data")
    return folder / "runs"


@pytest.fixture
def storage(written: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(written, tmp_path / "runs"))


def files(storage: Path, folder: str = "stages") -> dict[str, tuple[int, bytes]]:
    """When each file below a folder was written, and its bytes."""
    found = (path for path in (storage / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(storage)): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


def arguments(storage: Path, **changes: str) -> list[str]:
    """What the command asked that wrote the store, of this storage and with some settings changed."""
    _, _, _, _, *asked = shlex.split((storage / "command.txt").read_text())
    named = ((text.partition("=")[0], text) for text in asked)
    changed = [f"{name}={changes[name]}" if name in changes else text for name, text in named]
    return ["--storage", str(storage), "--tracking-uri", "none", *changed]


# A store that the first version wrote.


def test_the_same_command_computes_nothing(storage: Path) -> None:
    before = files(storage, "")
    command = [sys.executable, str(ROOT / "studies/lambda_pareto.py"), *arguments(storage)]
    environment = os.environ | {"COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "7 trials, 7 there, 0 to run" in done.stdout
    after = files(storage, "")
    changed = {name for name in after if after[name] != before.get(name)}
    copies = {f"studies/{STUDY}/{kind}.parquet" for kind in ("trials", "curves")}
    assert {name for name in changed if "/report/" not in name} <= copies
    assert before.keys() <= after.keys()
    assert (storage / f"studies/{STUDY}/report/index.html").exists()


def test_a_further_lambda_computes_that_alone(
    in_process: InProcess, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, rows = files(storage), analysis.load(storage)
    asked = arguments(storage, lambda1="0,0.1,0.2", lambda2="0")
    assert run_study(lambda_pareto.STUDY, None, asked) == 0
    assert "6 trials, 5 there, 1 to run" in capsys.readouterr().out
    computed = {type(job) for pack in in_process.packs for job in pack.jobs}
    assert computed <= {Search, Train}, "a training only of an architecture that was not trained yet"
    after = files(storage)
    assert {name: after[name] for name in before} == before
    new = [name.split("/")[1] for name in after.keys() - before.keys() if name.endswith("result.json")]
    assert new.count("search") == 1
    assert set(new) <= {"search", "train", "test", "time"}
    assert sum(len(pack.jobs) for pack in in_process.packs) == new.count("search") + new.count("train")
    grown = analysis.load(storage)
    (row,) = grown[~grown["trial_id"].isin(rows["trial_id"])].to_dict("records")
    assert (row["lambda1"], row["status"]) == (0.2, "finished")
    old = grown[grown["trial_id"].isin(rows["trial_id"])].reset_index(drop=True)
    assert old[rows.columns].astype(str).equals(rows.astype(str)), "rows stay as they were written"
    results = analysis.Results(storage, STUDY)
    assert len(results.groups) == 1, "what two versions wrote compares"
    assert results.axes == ["lambda1", "lambda2"]


def test_tracking_shows_it_whole(storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert main(["sync", str(storage), "--tracking-uri", uri]) == 0
    assert "8 runs: 8 created, 0 completed, 0 unchanged" in capsys.readouterr().out
    rows = analysis.load(storage).set_index("trial_id")
    found = runs(uri)
    for trial_id, row in rows.iterrows():
        assert found[trial_id].info.status == "FINISHED"
        assert found[trial_id].data.metrics["psnr_db"] == row["psnr_db"]
    whole = contents(uri)
    assert sync_study(Store(str(storage)), STUDY, uri) == {"unchanged": 8}
    assert contents(uri) == whole


def test_nothing_of_it_is_freed(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(storage, "")
    assert main(["gc", str(storage), "--delete"]) == 0
    assert capsys.readouterr().out == "0 bytes freed\n"
    assert files(storage, "") == before


def test_what_a_trial_without_a_row_needs_is_known(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(str(storage))
    for trial_id in store.trial_ids(STUDY):
        store.forget_trial(STUDY, trial_id)
    before = files(storage)
    assert main(["gc", str(storage), "--delete"]) == 0
    assert capsys.readouterr().out == "0 bytes freed\n"
    assert files(storage) == before
    trials = session_of(storage).pixels.trials(list(planned_trials(store, STUDY).values()))
    assert Plan(store, trials).tasks() == {}, "every stage is found under the key that it was written with"


def test_its_networks_are_timed_again(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retime", str(storage), STUDY]) == 0
    assert "7 trials timed on" in capsys.readouterr().out
    assert set(analysis.load_timings(storage)["trial_id"]) == set(analysis.load(storage)["trial_id"])


def test_its_rows_its_curves_and_its_report_are_read(storage: Path, tmp_path: Path) -> None:
    rows = analysis.load(storage)
    assert rows["kind"].value_counts().to_dict() == {"searched": 4, "given": 2, "random": 1}
    assert (rows["status"] == "finished").all()
    assert set(analysis.load_curves(storage)["trial_id"]) == set(rows["trial_id"])
    results = analysis.Results(storage, STUDY)
    assert len(results.groups) == 1
    assert results.axes == ["lambda1", "lambda2"]
    assert len(results.front()) > 0
    saved = results.save(tmp_path / "report")
    assert "index.html" in saved
    assert all((tmp_path / "report" / name).exists() for name in saved)


def test_its_trials_have_the_identities_that_they_had(storage: Path) -> None:
    about = read_study(Store(str(storage)), STUDY)
    assert all(values["train_halving"] == 0 for values in about["trials"].values())
    found = planned_trials(Store(str(storage)), STUDY)
    assert {trial_id: c.trial_id for trial_id, c in found.items()} == {name: name for name in about["trials"]}
    rows = analysis.load(storage).set_index("trial_id")
    assert {trial_id: c.replicate_id for trial_id, c in found.items()} == rows["replicate_id"].to_dict()


# Fields that are removed, renamed and added.


def test_a_field_that_is_gone_is_read_where_it_meant_what_is_so_now(written: Path) -> None:
    (values, *_) = read_study(Store(str(written)), STUDY)["trials"].values()
    assert Configuration.stored(values).trial_id == Configuration.stored(values | {"train_halving": 0}).trial_id
    without = {name: value for name, value in values.items() if name not in REMOVED}
    assert Configuration.stored(without).trial_id == Configuration.stored(values).trial_id
    with pytest.raises(ConfigurationError, match="train_halving") as refusal:
        Configuration.stored(values | {"train_halving": 2})
    assert "\n" not in str(refusal.value)
    with pytest.raises(ConfigurationError, match="no_such_field: no field of this version"):
        Configuration.stored(values | {"no_such_field": 1})


CODE = """
import importlib.util, json, sys
from pathlib import Path

name = "clearer.configuration"
spec = importlib.util.find_spec(name)
source = Path(spec.origin).read_text()
for before, after in json.loads(sys.argv[1]):
    assert before in source, before
    source = source.replace(before, after)
module = importlib.util.module_from_spec(spec)
sys.modules[name] = module
exec(compile(source, spec.origin, "exec"), module.__dict__)

from clearer.configuration import Configuration
from studies.work.jobs import Search, Train
from studies.work.keys import Fingerprints, Trial

def identities(c):
    data = Fingerprints("w", "a", "t")
    trial = Trial(c, data)
    train = trial.train_key("FPFP-FPFF-PFFP")
    return [
        c.trial_id, c.replicate_id, trial.search_key, train, trial.tested_key(train),
        trial.time_key("FPFP-FPFF-PFFP", "device"), trial.reference_key,
    ]
"""
"""The project, with another text of the configuration's module."""
FIELD = "    def __post_init__(self) -> None:"
RENAMED = "RENAMED: Mapping[str, str] = {}"


def in_version(changes: list[tuple[str, str]], code: str, *arguments: str) -> str:
    """What code prints in a version of this project whose configuration is changed so."""
    command = [sys.executable, "-c", CODE + code, json.dumps(changes), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def identities(c: Configuration) -> list[str]:
    """The identities of a trial and the keys of its stages."""
    trial = Trial(c, NO_DATA)
    train, time = trial.train_key("FPFP-FPFF-PFFP"), trial.time_key("FPFP-FPFF-PFFP", "device")
    of_test = trial.tested_key(train), time, trial.reference_key
    return [c.trial_id, c.replicate_id, str(trial.search_key), train, *of_test]


def field(default: int, before: int) -> tuple[str, str]:
    """The change that adds a field of searches and trainings, which one trial in the past could not have had."""
    line = f'    inertia: int = setting({default}, "search train", "a test", before={before})\n\n'
    return FIELD, line + FIELD


WRITTEN = Configuration(lambda1=0.1, seed=3)
STORED = f"c = Configuration.stored(json.loads({json.dumps(json.dumps(WRITTEN.values()))}))\n"


def test_a_field_that_is_added_with_a_neutral_value_changes_no_identity_and_no_key() -> None:
    code = STORED + "print(json.dumps([identities(c), c.inertia, 'inertia' in c.values()]))"
    assert json.loads(in_version([field(7, 7)], code)) == [identities(WRITTEN), 7, True]


def test_what_was_written_before_a_field_was_added_means_what_was_so_then() -> None:
    """The default of today is another."""
    code = STORED + "print(json.dumps([identities(c), c.inertia]))"
    assert json.loads(in_version([field(9, 7)], code)) == [identities(WRITTEN), 7]


def test_another_value_of_a_field_that_was_added_changes_what_it_determines() -> None:
    code = STORED + "print(json.dumps(identities(c.with_values(inertia=9))))"
    found = json.loads(in_version([field(7, 7)], code))
    same = [mine == theirs for mine, theirs in zip(identities(WRITTEN), found, strict=True)]
    assert same == [False, False, False, False, False, True, True], "of time and references it is no field"


def test_a_field_that_was_renamed_is_read_under_its_old_name_and_changes_nothing() -> None:
    renamed = [("    momentum: float", "    inertia: float"), (RENAMED, RENAMED[:-2] + '{"momentum": "inertia"}')]
    code = STORED + "print(json.dumps([identities(c), c.inertia, c.values() | {'momentum': 0}]))"
    found, value, values = json.loads(in_version(renamed, code))
    assert found == identities(WRITTEN)
    assert value == WRITTEN.momentum
    assert values["inertia"] == WRITTEN.momentum
    other = STORED.replace('\\"momentum\\": 0.9', '\\"momentum\\": 0.5')
    assert other != STORED
    found = json.loads(in_version(renamed, other + "print(json.dumps(identities(c)))"))
    assert found == identities(WRITTEN.with_values(momentum=0.5))


def test_a_field_that_was_removed_stands_in_identities_as_it_did() -> None:
    gone = 'REMOVED: Mapping[str, tuple[Any, tuple[str, ...]]] = {"train_halving": (0, ())'
    line = next(
        line for line in Path(ROOT, "clearer/configuration.py").read_text().splitlines() if "momentum: float" in line
    )
    removed = [(line + "\n", ""), (gone, gone + ', "momentum": (0.9, ("search",))')]
    code = STORED + "print(json.dumps([identities(c), 'momentum' in c.values()]))"
    assert json.loads(in_version(removed, code)) == [identities(WRITTEN), False]


RUN = """
from studies.driver.command_line import main
from studies.lambda_pareto import STUDY
raise SystemExit(main(STUDY, None, sys.argv[2:]))
"""


def test_a_version_with_one_field_more_finds_all_that_there_is(storage: Path) -> None:
    asked = ["--dry-run", *arguments(storage)]
    assert "7 trials, 7 there, 0 to run" in in_version([field(7, 7)], RUN, *asked)
    assert "7 trials, 0 there, 7 to run" in in_version([field(9, 7)], RUN, *asked), "its default is not what was before"


# A store that a later version wrote.


def newer(file: Path) -> str:
    """Makes a file one of a later version; what has to be said of it."""
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": FORMAT + 1}))
    return f"has format {FORMAT + 1}, this version knows {FORMAT}; install the version"


@pytest.mark.parametrize("command", ["gc", "sync", "retime"])
def test_a_study_of_a_later_version_is_refused_by_maintenance(
    command: str, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = newer(storage / f"studies/{STUDY}/study.json")
    before = files(storage, "")
    assert main([command, str(storage), *([] if command == "gc" else [STUDY])]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert said in err
    assert {name: found for name, found in files(storage, "").items() if "drivers/" not in name} == before


def test_a_study_of_a_later_version_is_refused_by_its_command(
    in_process: InProcess, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = newer(storage / f"studies/{STUDY}/study.json")
    before = files(storage, "")
    with pytest.raises(SystemExit) as stop:
        run_study(lambda_pareto.STUDY, None, arguments(storage, seed="0,1"))
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert said in err
    assert files(storage, "") == before
    assert in_process.packs == []


def test_a_stage_of_a_later_version_is_refused(storage: Path) -> None:
    store = Store(str(storage))
    said = newer(next(storage.glob("stages/search/*/result.json")))
    for trial_id in store.trial_ids(STUDY):
        store.forget_trial(STUDY, trial_id)
    trials = session_of(storage).pixels.trials(list(planned_trials(store, STUDY).values()))
    with pytest.raises(StorageError, match=said) as refusal:
        Plan(store, trials)
    assert "\n" not in str(refusal.value)
