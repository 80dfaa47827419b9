"""The command line that every study has: `python studies/<study>.py`; and `run`, which asks the same from Python."""

import argparse
import atexit
import gc
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from analysis.storage.places import StorageError, cause, redacted
from clearer.command import OneLineParser
from clearer.command import console as new_console
from clearer.configuration import Configuration, field_types
from clearer.fields import ConfigurationError, as_text
from clearer.images.reading import ImageError
from studies.driver import dry_run, rounds, summary
from studies.driver.options import Options, add_flags, options_of
from studies.driver.session import Session
from studies.driver.study import Study
from studies.nodes.connection import ClusterError, reachable

if TYPE_CHECKING:
    from analysis.study_results import Results


def main(study: Study, doc: str | None, arguments: list[str] | None = None) -> int:
    """Runs a study as the command line asks; the exit status.

    0: every trial finished. 1: some failed. 2: a mistake in the request, nothing was computed. 3: `--budget` is spent
    and trials are left. 130: stopped.
    """
    atexit.register(gc.freeze)  # or Python looks for garbage among all of torch's objects before it ends
    parser = _parser(study, doc)
    parsed = parser.parse_args(arguments)
    study = replace(study, question=" ".join((doc or "").partition("\n\n")[0].split()))
    console = new_console(160)
    try:
        return _run(study, options_of(parsed), console)
    except (ConfigurationError, ImageError, StorageError, ClusterError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except OSError as error:  # of the store: a full disk, a server that is away
        where = f"{parser.prog}: --storage {redacted(parsed.storage)}: {cause(error)}"
        parser.exit(1, f"{where}; what was finished is kept: mend it and run the same command again\n")
    except KeyboardInterrupt:
        console.print("Stopped. What was finished is kept; run the same command again to go on.")
        return 130


def _parser(study: Study, doc: str | None) -> OneLineParser:
    fields = ", ".join(f"{name}={as_text(value)}" for name, value in Configuration().values().items())
    epilog = textwrap.fill(f"Fields of --set, with the paper's values: {fields}", 110)
    known, raw = [f"--set {name}=…" for name in field_types()], argparse.RawDescriptionHelpFormatter
    parser = OneLineParser(f"{study.name}.py", known=known, description=doc, formatter_class=raw, epilog=epilog)
    add_flags(parser)
    parser.set_defaults(preset=_usual(study))
    if study.arguments is not None:
        study.arguments(parser)
    return parser


def _run(study: Study, options: Options, console: Console) -> int:
    with Session(options, console) as session:
        planned = rounds.first_round(study, session)
        missing = session.missing(study.name, planned)
        if not session.is_local:
            reachable(str(options.address))
        counts = f"{len(planned)} trials, {len(planned) - len(missing)} there, {len(missing)} to run"
        console.print(Text.assemble((study.name, "bold"), f", preset {options.preset}: {counts}"))
        session.store.check_writable()
        if options.dry_run:
            if study.follow is not None:
                console.print("further trials follow from what these find; they are not counted here")
            dry_run.show(study.name, missing, planned, session)
            return 0
        outcome = rounds.run(study, session, planned)
    return summary.conclude(outcome, session)


def _usual(study: Study) -> str:
    """The preset where none is asked for: the first that the study has."""
    return next(iter(study.presets), Options.preset)


def run(study: Study, options: Options | None = None, **changes: Any) -> "Results":
    """Runs a study from Python: `run(STUDY, storage="runs", set={"lambda1": [0, 0.1]})`; what it found.

    `changes` are fields of `Options`; `set` holds fields of the configuration, each with a value or a list of values.

    Raises:
        ConfigurationError, ImageError, StorageError, ClusterError: a mistake in what was asked; one line.
        KeyboardInterrupt: stopped by Ctrl-C, or by the notebook; the same call goes on.
    """
    assigned: Mapping[str, Any] = changes.pop("set", {})
    if assigned:
        changes["assigned"] = {n: v if isinstance(v, list | range) else [v] for n, v in assigned.items()}
    options = replace(options or Options(preset=_usual(study)), **changes)
    if options.dry_run:
        raise ConfigurationError("dry_run: of the command line alone; it prints, and computes nothing")
    console = new_console()
    try:
        with Session(options, console) as session:
            planned = rounds.first_round(study, session)
            session.store.check_writable()
            return rounds.run(study, session, planned).results(session)
    except KeyboardInterrupt:
        console.print("Stopped. What was finished is kept; call run again to go on.")
        raise
