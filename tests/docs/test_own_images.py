"""The commands of the page on images of one's own, asked what they would run, on folders as it describes them."""

import re
import shlex
from pathlib import Path

import pytest
from pictures import picture, rain, save
from running import ROOT

from studies.driver.command_line import main
from studies.lambda_pareto import STUDY
from tests.docs.pages import blocks

PAGE = ROOT / "docs" / "how_to" / "own_images.md"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with the two folders of the page."""
    for number in range(9):
        save(tmp_path / "my_photographs" / f"{number}.png", picture(number))
        save(tmp_path / "my_photographs" / "sub" / f"{number}.png", picture(number)) if number < 6 else None
        (tmp_path / "my_photographs" / f"{number}.webp").write_text("") if number < 6 else None
        clean = picture(100 + number)
        for side, pixels in (("clean", clean), ("degraded", rain(clean, number))):
            save(tmp_path / "my_pairs" / side / f"{number}.png", pixels)
    return tmp_path


@pytest.mark.parametrize("name", ["my_photographs", "my_pairs"])
def test_a_command_says_what_it_takes_and_draws(name: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = [line for block in blocks(PAGE, "bash") for line in block.splitlines() if f"dataset={name}" in line]
    words = [str(data) if word == "DIR" else word for word in shlex.split(command)[2:]]
    assert main(STUDY, None, [*words, "--storage", str(data / "runs"), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    (told,) = re.findall(rf"(?m)^{name}: .*$", printed)
    if name == "my_photographs":
        assert told in blocks(PAGE, "text")[0]
    else:
        assert told == "my_pairs: 9 pairs; drawn of these: 1 for validation, 1 for test"
    assert re.search(r"(?m)^searches +15 to run", printed)
    assert not (data / "runs").exists()
