from benchmarks import growth


def test_growth_is_measured_against_its_first_row():
    cases = {name: growth.CASES[name] | {"patch_size": 16} for name in ("baseline", "K = 2", "N_i = 2")}
    rows = {row["case"]: row for row in growth.measure(cases, 2)}
    assert rows["K = 2"]["flop"] == rows["baseline"]["flop"] > 1.5 * rows["N_i = 2"]["flop"]
    assert rows["baseline"]["ratio"] == 1
    assert rows["K = 2"]["ratio_min"] <= rows["K = 2"]["ratio"] <= rows["K = 2"]["ratio_max"]
    assert len(growth.lines(list(rows.values()))) == 2 + 3
