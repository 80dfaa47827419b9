"""A table as a frame of plain numbers, and what it looks like in Markdown, LaTeX, CSV and Parquet.

CSV and Parquet hold the frame in full precision. Only Markdown and LaTeX round, to what an interval warrants.
"""

import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.rows.units import counted, with_minus
from analysis.storage.files import Files


@dataclass(frozen=True)
class Column:
    """A column of a table's frame that Markdown and LaTeX show.

    Where the frame has `<name>_low` and `<name>_high`, they bound the value and are shown with it. `digits` is the
    most decimals that are shown of the value times `scale` (None: all that it has), `seeds` the frame's column that
    counts the seeds behind the value, shown in the cell.
    """

    name: str
    heading: str
    digits: int | None = None
    scale: float = 1.0
    signed: bool = False
    seeds: str | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """A frame of plain numbers with a caption, and the columns of it that are shown.

    Two columns of the frame are not shown as such: where `section` changes, a rule and the new section's name are
    drawn; a row is marked with the numbers of those `notes` that its `doubts` contain.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()

    def parquet(self) -> bytes:
        """The frame with its types; the file's metadata hold `caption`, `notes` and `columns` (JSON)."""
        table, sink = pa.Table.from_pandas(self.frame, preserve_index=False), pa.BufferOutputStream()
        about = {"caption": self.caption, "notes": self.notes, "columns": [asdict(column) for column in self.columns]}
        said = {name: json.dumps(value, ensure_ascii=False) for name, value in about.items()}
        pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), **said}), sink)
        return sink.getvalue().to_pybytes()

    def markdown(self) -> str:
        """Caption, table and notes."""
        lines = ["| " + " | ".join(_plain(column.heading) for column in self.columns) + " |"]
        lines.append("|" + "".join(" ---: |" if self.is_number(column) else " --- |" for column in self.columns))
        for section, rows in self.sections():
            if section:
                lines.append(f"| *{_plain(section)}* |" + " |" * (len(self.columns) - 1))
            lines += ["| " + " | ".join(map(_plain, with_marks(*row))) + " |" for row in rows]
        notes = [f"[{number}] {_plain(note)}" for number, note in enumerate(self.notes, start=1)]
        return "\n\n".join(filter(None, [self.caption.replace("\n", "; "), "\n".join(lines), *notes])) + "\n"

    def latex(self) -> str:
        """A `table` environment for the package `booktabs`; headings, cells and texts are escaped."""
        spec = "".join("r" if self.is_number(column) else "l" for column in self.columns)
        lines = [r"\begin{table}", r"\centering", rf"\caption{{{escaped(self.caption)}}}"]
        lines += [rf"\label{{tab:{self.name}}}", rf"\begin{{tabular}}{{{spec}}}", r"\toprule"]
        lines.append(_line(column.heading for column in self.columns))
        for section, rows in self.sections():
            lines.append(r"\midrule")
            if section:
                lines.append(rf"\multicolumn{{{len(self.columns)}}}{{l}}{{\emph{{{escaped(section)}}}}} \\")
            for cells, marks in rows:
                mark = rf"\textsuperscript{{{','.join(map(str, marks))}}}" if marks else ""
                lines.append(_line(cells, mark))
        lines += [r"\bottomrule", r"\end{tabular}"]
        lines += [rf"\par\footnotesize\textsuperscript{{{i}}} {escaped(note)}" for i, note in enumerate(self.notes, 1)]
        return "\n".join([*lines, r"\end{table}", ""])

    def files(self) -> dict[str, bytes]:
        """The files of the table, `<name>.csv`, `.md`, `.tex` and `.parquet`, by the ending of their names."""
        texts = {"csv": self.frame.to_csv(index=False), "md": self.markdown(), "tex": self.latex()}
        return {**{ending: text.encode() for ending, text in texts.items()}, "parquet": self.parquet()}

    def save(self, storage: str | Path) -> list[str]:
        """Writes the table's `files` into a folder or URI; their names. Raises StorageError: it can't be opened."""
        place, written = Files(storage), {f"{self.name}.{ending}": data for ending, data in self.files().items()}
        for file, data in written.items():
            place.write(file, data, is_durable=False)
        return list(written)

    def sections(self) -> Iterator[tuple[str, list[tuple[list[str], list[int]]]]]:
        """The name of each section, and its rows: their cells and the numbers of their notes."""
        texts = self.frame.reindex(columns=["section", "doubts"]).astype(object).fillna("")
        rows = zip(self.frame.to_dict("records"), texts["section"], texts["doubts"], strict=True)
        for section, group in itertools.groupby(rows, lambda row: row[1]):
            cells = [([cell(row, column) for column in self.columns], doubts) for row, _, doubts in group]
            yield section, [(row, [n for n, note in enumerate(self.notes, 1) if note in told]) for row, told in cells]

    def is_number(self, column: Column) -> bool:
        """Whether the column's values are numbers, which stand to the right."""
        kind = self.frame[column.name].dtype
        return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)


def with_marks(cells: list[str], marks: list[int]) -> list[str]:
    """A row's cells, the first with the numbers of the row's notes."""
    return [cells[0] + (f" [{', '.join(map(str, marks))}]" if marks else ""), *cells[1:]]


def cell(row: Mapping[Any, Any], column: Column) -> str:
    """A row's value as it is shown, with its interval and its number of seeds where it has them; a null is blank."""
    value = row[column.name]
    if pd.isna(value):
        return ""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, int | float) and column.digits is not None:
        bounds = [row.get(f"{column.name}_{side}") for side in ("low", "high", "min", "max")]
        low, high, *ends = (math.nan if pd.isna(bound) else float(bound) * column.scale for bound in bounds)
        text = interval_text(float(value) * column.scale, low, high, column.digits, "+" if column.signed else "-")
        if abs((low + high) / 2 - value * column.scale) > 1e-6 * (high - low):  # cut at what is possible
            text = f"{text.partition(' ±')[0]} ({low:.{column.digits}f} to {high:.{column.digits}f})"
        elif math.isnan(low) and ends[0] < ends[1]:
            text += f" ({', '.join(f'{end:.{column.digits}f}' for end in ends)})"
    seeds = row.get(column.seeds) if column.seeds else None
    return text if seeds is None or pd.isna(seeds) else f"{text} ({counted(seeds, 'seed')})"


def interval_text(mean: float, low: float, high: float, digits: int, sign: str = "-") -> str:
    """`28.51 ± 0.03`: what is printed contains low to high.

    At most `digits` decimals, and no more than two significant digits of the half-width, which is rounded up. An
    interval of no width, or none (NaN), leaves the mean with `digits` decimals.
    """
    half = max(high - mean, mean - low)
    if not (math.isfinite(half) and half > 0):
        return f"{mean:{sign}z.{digits}f}"
    kept = min(digits, max(0, 1 - math.floor(math.log10(half))))
    shown = Decimal(f"{mean:.{kept}f}")
    margin = max(Decimal(high) - shown, shown - Decimal(low)).quantize(Decimal(1).scaleb(-kept), ROUND_CEILING)
    return f"{mean:{sign}z.{kept}f} ± {margin:f}"


def named_columns(names: Iterable[str]) -> tuple[Column, ...]:
    """Columns under their own names, with the digits that their units deserve."""
    digits = dict.fromkeys(["psnr_db", "psnr_patch_db", "degraded_psnr_db"], 2) | {"ssim": 4}
    digits |= dict.fromkeys(["test_time_ms", "test_time_iqr_ms"], 1)
    return tuple(Column(name, name, digits.get(name)) for name in names)


def escaped(text: str) -> str:
    """`text` for LaTeX, outside of math mode."""
    return re.sub(r"\\lambda\$([12])\b", r"\\lambda_\1$", with_minus(text).translate(_LATEX))


_MATH = dict(pair.split(":") for pair in "λ:lambda σ:sigma α:alpha η:eta ±:pm ×:times ≥:geq ≤:leq".split())
_TEXT = dict(zip("\\~^<>|", "backslash asciitilde asciicircum less greater bar".split(), strict=True))
_LATEX = str.maketrans(
    {symbol: rf"$\{name}$" for symbol, name in _MATH.items()}
    | {symbol: rf"\text{name}{{}}" for symbol, name in _TEXT.items()}
    | {character: f"\\{character}" for character in "&%$#_{}"}
    | {"−": "$-$", "–": "--", "…": r"\ldots{}", "\n": "; "}
    | {"[": "{[}", "*": "{*}"}  # these would be arguments of a row's end before them
)


def _line(cells: Iterable[str], mark: str = "") -> str:
    """A row in LaTeX, with a mark behind its first cell."""
    first, *others = map(escaped, cells)
    return " & ".join([first + mark, *others]) + r" \\"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
