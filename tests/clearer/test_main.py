import json
import subprocess
import sys

import pytest

from clearer.__main__ import main

KEYS = ["architecture", "cells", "columns", "channels", "image_channels", "parameters", "flops_per_pixel"]


def test_describe_prints_the_contract(capsys):
    assert main(["describe", "FPFP-FPFF-PFFP"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == KEYS
    assert printed["flops_per_pixel"] > 0
    counted = {
        "architecture": "FPFP-FPFF-PFFP",
        "cells": 3,
        "columns": [4, 4, 4],
        "channels": 32,
        "image_channels": 1,
        "parameters": 6_307_968,
    }
    assert {key: printed[key] for key in counted} == counted


def test_describe_reads_cells_and_columns_off_the_text(capsys):
    assert main(["describe", "P-FF", "--channels", "8", "--image-channels", "3"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [printed[key] for key in KEYS[:5]] == ["P-FF", 2, [1, 2], 8, 3]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["describe", "FPFP-FPXF"], "'X'"),
        (["describe", "FP--F"], "'FP--F'"),
        (["describe", ""], "without columns"),
        (["describe", "P\nQ"], "letter"),
        (["describe"], "architecture"),
        (["describe", "P", "--channels", "0"], "'0' is not a whole number above 0"),
        (["describe", "P", "--channels", "x"], "'x'"),
        (["describe", "P", "--channels", "²"], "²"),
        (["describe", "P", "--image-channels", "2"], "2"),
        (["describe", "P", "--depth", "3"], "--depth"),
        (["forget"], "forget"),
        ([], "COMMAND"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_and_exit_2(capsys, arguments, named):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    out, err = capsys.readouterr()
    assert stopped.value.code == 2
    assert out == ""
    assert named in err
    assert err.count("\n") == 1
    assert err.endswith("\n")


def test_the_module_runs_as_a_command():
    bad, good = (
        subprocess.run([sys.executable, "-m", "clearer", "describe", text], capture_output=True, text=True, check=False)
        for text in ("FX", "F")
    )
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (2, "", 1)
    assert (good.returncode, json.loads(good.stdout)["columns"], good.stderr) == (0, [1], "")
