"""What a LaTeX table must be for a compiler to take it, as far as reading it shows."""

import re

_COMMANDS = re.compile(r"\\([a-zA-Z]+|.)", re.DOTALL)
_TABLES = "begin end centering caption label toprule midrule bottomrule multicolumn".split()
_TEXT = "emph par footnotesize ldots".split() + [
    f"text{name}" for name in "superscript backslash asciitilde asciicircum less greater bar".split()
]
_MATH = "lambda sigma alpha eta pm times geq leq".split()
KNOWN = {*_TABLES, *_TEXT, *_MATH, *"\\&%$#_{}"}


def check_latex(text: str, columns: int) -> None:
    """Environments, braces and math are closed, rows have their cells, and no special character stands bare."""
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    assert {match[1] for match in _COMMANDS.finditer(text)} <= KNOWN
    rows = text.split("\\toprule\n")[1].split("\\bottomrule")[0].splitlines()
    for row in rows:
        assert row == "\\midrule" or row.endswith(" \\\\")
        bare = _COMMANDS.sub("", row)
        assert "multicolumn" in row or row == "\\midrule" or bare.count("&") == columns - 1
        assert not re.match(r"\s*[*\[]", row), "would be an argument of the row's end before it"
    bare = _COMMANDS.sub("", re.sub(r"\\label\{\w+:\w+\}", "", text))
    assert "&" not in _COMMANDS.sub("", text.split("\\toprule")[0])
    assert not re.search(r"[%#~]", bare)
    outside = re.split(r"\$", bare)
    assert len(outside) % 2, "math is closed"
    assert not re.search(r"[_^]", "".join(outside[::2]))
    depth = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
