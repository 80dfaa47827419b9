"""Frees what no study needs: `python -m studies gc STORAGE [--data DIR] [--delete]`.

* Freed are searches, trainings and tests that no trial of any study refers to, checkpoints of finished stages, what
  writers that were killed have left, and the claims of drivers that are dead.
* Testing times, references and other small results stay.
* A trial without a row refers to the stages that it will need; which these are depends on its images, hence `--data`.
* While a driver works on the store, its stages and files stay: freed are only checkpoints of finished stages, dead
  claims, and files that nobody has finished for an hour.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis.storage.files import KEY
from analysis.storage.places import StorageError, cause, redacted
from clearer.fields import ConfigurationError
from clearer.images.reading import ImageError
from studies.planning.plan import Plan
from studies.store.claims import FOLDER, Claims
from studies.store.store import CHECKPOINT, Store
from studies.store.study_file import planned_trials, written_trials
from studies.work.place import Place
from studies.work.remote_images import data_place
from studies.work.trials import Pixels

LEFT_SECONDS = 3600.0
_KINDS = ("search", "train", "test")
_STAGE = f"stages/[a-z]+/{KEY}"
_LEFT = re.compile(r"\.[0-9a-f]+\.partial$|^probe-[0-9a-f]+$")
"""The names of what writers have left unfinished; those of other programs have other forms."""


@dataclass(frozen=True)
class Find:
    """A file that no study needs, or a folder with all that is in it; `path` is below the root of the store."""

    what: str
    path: str
    size: int
    is_folder: bool = False


class Survey:
    """What a store holds that no study needs: `finds`, and in `notes` why more may not be told."""

    def __init__(self, store: Store, folder: Path | None, claims: Claims):
        self.store, self.folder = store, folder
        self.notes: list[str] = []
        living, dead = claims.survey()
        self.is_idle = not living
        self._files = store.listing("")
        self._folders: Counter[str] = Counter()
        for name, info in self._files.items():
            for depth in (2, 3):
                self._folders["/".join(name.split("/")[:depth])] += info.size
        own = self._files.get(f"{FOLDER}/{claims.id}")
        self.finds = [self._file("claims of dead drivers", f"{FOLDER}/{file}") for file in dead]
        recent = own.mtime_ns - 1e9 * LEFT_SECONDS if own is not None else 0.0
        self.finds += self._left_over(math.inf if self.is_idle else recent)
        if self.is_idle:
            tunes = sorted({"/".join(name.split("/")[:2]) for name in self._files if re.match(r"ray/\w[^/]*/", name)})
            self.finds += [Find("folders of Ray's temporary files", name, self._folders[name], True) for name in tunes]
            self.finds += self._stages()
        else:
            self.notes.append(f"{living[0].who} is at work on this store: its stages and files stay")

    def _file(self, what: str, name: str) -> Find:
        return Find(what, name, self._files[name].size if name in self._files else 0)

    def _left_over(self, before: float) -> Iterator[Find]:
        """Checkpoints of finished stages, which came late, and what writers left unfinished and last wrote `before`."""
        for name, info in self._files.items():
            folder = name.rpartition("/")[0]
            if re.fullmatch(f"{_STAGE}/{CHECKPOINT}", name) and f"{folder}/result.json" in self._files:
                yield self._file("checkpoints of finished stages", name)
            elif _LEFT.search(name) and info.mtime_ns < before:
                yield self._file("unfinished files", name)

    def _stages(self) -> Iterator[Find]:
        try:
            wanted = self._wanted()
        except ImageError as error:
            unread = "trials without a row may need them, and their images can't be read; name --data"
            self.notes.append(f"stages stay: {unread} ({error})")
            return
        except ConfigurationError as error:
            self.notes.append(f"stages stay: {error}; run gc with that version")
            return
        there = {tuple(name.split("/")[1:3]) for name in self._files if re.match(f"{_STAGE}/", name)}
        for stage, key in sorted(there):
            if stage in _KINDS and (stage, key) not in wanted:
                path = f"stages/{stage}/{key}"
                yield Find(f"{stage} stages that no trial refers to", path, self._folders[path], is_folder=True)

    def _wanted(self) -> set[tuple[str, str]]:
        """The stages that trials refer to, as (stage, key).

        Raises ImageError, ConfigurationError: a trial without a row, whose images can't be read, or of another version.
        """
        wanted: set[tuple[str, str]] = set()
        pixels = Pixels(self.folder)
        keys = [f"{kind}_key" for kind in _KINDS]
        for study in self.store.studies():
            there = set()
            for row in self.store.rows(study, self.store.trial_ids(study), ["trial_id", "status", "kind", *keys]):
                wanted |= {(kind, row[f"{kind}_key"]) for kind in _KINDS}
                if row["status"] == "failed" or all(row[key] for key in keys[row["kind"] != "searched" :]):
                    there.add(row["trial_id"])  # of another the row does not say all that it needs
            planned = planned_trials(self.store, study)
            for trial_id in sorted(written_trials(self.store, study).keys() - planned.keys() - there):
                raise ConfigurationError(f"{study} has a trial of another version that has no row, {trial_id}")
            missing = pixels.trials([c for trial_id, c in planned.items() if trial_id not in there])
            plan = Plan(self.store, missing)
            wanted |= {(kind, key) for trial in missing for kind, key in plan.keys(trial).items()}
        return wanted


def free(store: Store, find: Find) -> None:
    """Deletes what was found; a stage loses its result first, so that it never looks finished while it is not."""
    if find.is_folder:
        store.remove(f"{find.path}/result.json")
        store.filesystem.delete_dir(store.path(find.path))
    else:
        store.remove(find.path)


def collect(store: Store, data: str | None, delete: bool) -> int:
    """Prints what no study needs, and frees it if asked; how much could not be. Raises StorageError, ImageError."""
    if not store.studies() and not store.names("stages"):
        raise StorageError(f"{redacted(store.storage)}: holds no studies; name a folder or URI that was a --storage")
    folder = Place(store.storage, data_place(data)).folder
    with Claims(store) as claims:
        survey = Survey(store, folder, claims)
        if delete and survey.is_idle and claims.survey()[0]:
            raise StorageError("a study has begun on this store meanwhile: nothing was freed; run the command again")
        return _report(store, survey, delete)


def _report(store: Store, survey: Survey, delete: bool) -> int:
    for what in dict.fromkeys(find.what for find in survey.finds):
        group = [find for find in survey.finds if find.what == what]
        print(f"{len(group):6,}  {sum(find.size for find in group):14,} bytes  {what}")
    failed = 0
    for find in survey.finds if delete else ():
        try:
            free(store, find)
        except OSError as error:
            failed += 1
            print(f"{find.path}: {cause(error)}")
    for note in survey.notes:
        print(note)
    total = f"{sum(find.size for find in survey.finds):,} bytes"
    print(f"{total} freed" if delete else f"{total} can be freed; add --delete")
    return failed
