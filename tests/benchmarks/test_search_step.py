import pytest

from benchmarks import search_step


def test_an_iteration_takes_81_percent_of_the_operations():
    rows = {(row["candidate"], row["step"]): row for row in search_step.measure("tiny", ["fp32"], 1)}
    shares = [rows["fp32", step]["flop_share"] for step in ("alpha", "weights", "iteration")]
    assert shares == pytest.approx([0.622, 1, 0.811], abs=1e-3)
    assert all(rows["baseline", step]["flop_share"] == rows["baseline", step]["ratio"] == 1 for _, step in rows)
    assert len(list(search_step.lines(list(rows.values())))) == 2 + 6
