import pytest
import torch

from clearer.architecture import Architecture
from clearer.runs import cosine
from clearer.training import Training


def test_adam_follows_the_cosine(training, tiny):
    started = training(tiny.with_values(train_iterations=10, train_epoch_iterations=3, report_iterations=1))
    adam = started.optimizers["weights"]
    rates = [adam.param_groups[0]["lr"].item() for _ in started.advance(1)]
    assert rates == [cosine(i, 10, 3, tiny.train_learning_rate, tiny.train_learning_rate_end) for i in range(10)]
    assert (type(adam), adam.param_groups[0]["weight_decay"]) == (torch.optim.Adam, 0)
    assert {id(p) for p in adam.param_groups[0]["params"]} == {id(p) for p in started.network.parameters()}


def test_every_parameter_learns(training, tiny):
    started = training(tiny.with_values(initial_std=0.1))
    before = [p.detach().clone() for p in started.network.parameters()]
    next(started.advance(1))
    assert not any(torch.equal(a, b) for a, b in zip(before, started.network.parameters(), strict=True))


def test_trainings_of_two_architectures_see_the_same_crops(photographs, tiny):
    seen = []
    for text in ("PP-PP", "FF-FF"):
        started = Training([tiny], Architecture.parse(text), photographs["train"], photographs["validation"])
        started.network.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0].clone()))
        next(started.advance(5))
    assert all(torch.equal(a, b) for a, b in zip(seen[:5], seen[5:], strict=True))
    assert not torch.equal(seen[0], seen[1])


def test_the_gradient_is_clipped_to_the_norm(training, tiny):
    started = training(tiny.with_values(clip_norm=1e-6, initial_std=0.1))
    norms = []
    started.optimizers["weights"].register_step_pre_hook(
        lambda adam, *_: norms.append(
            torch.cat([p.grad.flatten() for p in adam.param_groups[0]["params"]]).norm().item()
        )
    )
    next(started.advance(2))
    assert norms == pytest.approx([1e-6, 1e-6], rel=1e-2)


def test_the_curve_watches_one_batch_of_the_other_split(training, tiny, finish):
    finished = finish(training(tiny))
    assert all(
        set(row) == {"iteration", "stage", "restoration_loss", "psnr_db", "seconds", "recorded_at"}
        for row in finished.members[0].curve
    )
    degraded, clean = finished._watched
    with torch.inference_mode():
        error = (finished.network.eval()(degraded).clamp(0, 1) - clean).square().mean()
    assert finished.members[0].curve[-1]["psnr_db"] == pytest.approx(-10 * error.log10().item(), abs=1e-5)
