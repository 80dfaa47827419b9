"""Steps on static tensors are the steps: on the CPU to the bit; on a GPU a replayed graph is the eager step."""

import pytest
import torch

from clearer import graphs
from clearer.architecture import Architecture
from clearer.checkpoint import pack_state, unpack_state
from clearer.graphs import StaticStep, how
from clearer.search import Search
from clearer.training import Training


@pytest.fixture
def static(monkeypatch):
    """Every device's steps on static tensors, as a GPU's are."""
    monkeypatch.setattr(graphs, "is_static", lambda device: True)


def test_a_run_on_static_tensors_is_the_run_bit_for_bit(start, tiny, finish, bits, monkeypatch):
    plain = finish(start(tiny))
    monkeypatch.setattr(graphs, "is_static", lambda device: True)
    run = start(tiny)
    assert isinstance(run.optimizers["weights"].param_groups[0]["lr"], torch.Tensor)
    finish(run)
    assert run.steps
    assert bits(run) == bits(plain)


def test_a_run_on_static_tensors_goes_on_where_it_was_left(start, tiny, finish, bits, static):
    whole, run = finish(start(tiny)), next(start(tiny).advance(20))
    again = start(tiny)
    again.load_state_dicts([unpack_state(pack_state(run.state_dict(member))) for member in run.members])
    rate = again.optimizers["weights"].param_groups[0]["lr"]
    finish(again)
    assert rate is again.optimizers["weights"].param_groups[0]["lr"], "a graph reads the same tensor after a resume"
    assert bits(again) == bits(whole)


@pytest.mark.skipif(torch.cuda.is_available(), reason="here capturing works")
def test_where_capturing_fails_steps_go_on_and_say_why(search, tiny, static):
    run = search(tiny)
    assert how(run.steps, run.device)["captured"] == []
    for _ in range(graphs.WARM_UP):
        run.step("weights")
        assert run.steps["weights"].problem is None
    before = run.supernet.stem[0].body[0].weight.clone()
    assert torch.isfinite(run.step("weights")["restoration_loss"])
    assert not torch.equal(run.supernet.stem[0].body[0].weight, before), "the step whose capture failed was taken"
    assert how(run.steps, run.device)["not_captured"]["weights"].startswith("RuntimeError: ")


def test_a_step_reads_and_leaves_the_same_tensors(static):
    total, seen = torch.zeros(1), set()

    def body(degraded, clean):
        seen.add((degraded.data_ptr(), clean.data_ptr()))
        total.add_((degraded - clean).sum())
        return {"loss": total.clone()}

    step = StaticStep(body, torch.device("cpu"))
    batches = [(torch.full((2, 1, 4, 4), float(n)), torch.ones(2, 1, 4, 4)) for n in range(6)]
    assert [step(*batch)["loss"].item() for batch in batches] == [-32, -32, 0, 64, 160, 288]
    assert len(seen) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stage", ["search", "train"])
def test_a_replayed_graph_is_the_eager_step(stage, photographs, tiny, precision, monkeypatch):
    images = photographs["train"], photographs["validation"], "cuda"
    c = tiny.with_values(precision=precision, report_iterations=1)
    curves = []
    for static in (True, False):
        monkeypatch.setattr(graphs, "is_static", lambda device, static=static: static)
        run = Search([c], *images) if stage == "search" else Training([c], Architecture.parse("FP-PF"), *images)
        for _ in run.advance():
            if run.iteration == 12:
                break
        if static:
            assert all(step.is_captured and step.problem is None for step in run.steps.values())
        curves.append([row["restoration_loss"] for row in run.members[0].curve])
    assert curves[0] == pytest.approx(curves[1], rel=1e-3 if precision == "fp32" else 3e-2)
