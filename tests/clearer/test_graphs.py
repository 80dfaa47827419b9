"""Steps on static tensors are the steps: on the CPU to the bit; on a GPU a replayed graph is the eager step."""

import gc
import weakref
from types import SimpleNamespace

import pytest
import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.overrides import TorchFunctionMode

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

    step = StaticStep(torch.device("cpu"))
    batches = [(torch.full((2, 1, 4, 4), float(n)), torch.ones(2, 1, 4, 4)) for n in range(6)]
    assert [step(body, *batch)["loss"].item() for batch in batches] == [-32, -32, 0, 64, 160, 288]
    assert len(seen) == 1


@pytest.fixture
def cuda(monkeypatch):
    """What capturing asks of torch.cuda, without a GPU: the stream that is current, and what was used."""
    used = SimpleNamespace(stream="default", streams=[], pools=[], ended=None)

    class Stream:
        def __init__(self, device):
            used.streams.append(self)

        def wait_stream(self, other):
            pass

    class Within:
        def __init__(self, stream):
            self.stream = stream

        def __enter__(self):
            self.before, used.stream = used.stream, self.stream

        def __exit__(self, *_):
            used.stream = self.before

    class Graph:
        def capture_begin(self, pool=None, **_):
            used.pools.append(pool)

        def capture_end(self):
            if used.ended:
                raise RuntimeError(used.ended)

        def replay(self):
            pass

    graphs._side_stream.cache_clear()
    patched = {"Stream": Stream, "CUDAGraph": Graph, "stream": Within, "synchronize": lambda *_: None}
    patched |= {"current_stream": lambda *_: SimpleNamespace(wait_stream=lambda other: None, name=used.stream)}
    patched |= {"set_stream": lambda stream: setattr(used, "stream", stream.name), "empty_cache": lambda: None}
    for name, value in patched.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch._C, "_host_emptyCache", lambda: None, raising=False)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda *_: None)
    yield used
    graphs._side_stream.cache_clear()


def stepped(body, count=graphs.WARM_UP + 2):
    """A static step that has been taken so often as on a GPU, and its losses."""
    step, image = StaticStep(torch.device("cuda"), pool="pool"), torch.zeros(1)
    return step, [step(body, image, image) for _ in range(count)]


def test_steps_of_a_process_are_captured_on_one_stream_and_replayed(cuda):
    taken = []

    def body(*_):
        taken.append(cuda.stream)
        return {"loss": torch.ones(1)}

    for _ in range(2):
        step, losses = stepped(body)
        assert step.is_captured
        assert step.problem is None
        assert losses[-1]["loss"] is not losses[-2]["loss"], "what the next replay of any graph overwrites is copied"
    (side,) = cuda.streams
    assert taken == [side] * 2 * (graphs.WARM_UP + 1)
    assert cuda.stream == "default"
    assert cuda.pools == ["pool"] * 2


def test_a_capture_that_fails_says_why_and_leaves_the_stream(cuda):
    def body(*_):
        if len(taken) == graphs.WARM_UP:
            cuda.ended = "CUDA error: operation failed due to a previous error during capture"
            taken.append(None)
            raise RuntimeError("aten::item: cannot copy during capture")
        taken.append(cuda.stream)
        return {}

    taken = []
    try:
        raise ValueError("something else, which is being handled meanwhile")
    except ValueError:
        step, _ = stepped(body)
    assert step.problem == "RuntimeError: aten::item: cannot copy during capture"
    assert not step.is_captured
    assert cuda.stream == "default"
    assert taken[-2:] == ["default"] * 2, "it goes on as any other step"


@pytest.mark.parametrize("ended", ["", "CUDA error: operation failed due to a previous error during capture"])
def test_a_capture_that_is_out_of_memory_raises(cuda, ended):
    def body(*_):
        if len(taken) == graphs.WARM_UP:
            cuda.ended = ended
            raise torch.OutOfMemoryError("CUDA out of memory")
        taken.append(0)
        return {}

    taken = []
    with pytest.raises(torch.OutOfMemoryError):
        stepped(body)
    assert cuda.stream == "default"


@pytest.mark.parametrize("is_static", [True, False])
def test_a_run_that_is_let_go_is_freed_at_once(start, tiny, monkeypatch, is_static):
    monkeypatch.setattr(graphs, "is_static", lambda device: is_static)
    gc.collect()
    gc.disable()  # else the collector finds what a cycle keeps
    try:
        run = start(tiny)
        next(run.advance(2))
        kept = weakref.ref(run), weakref.ref(run.network)
        del run
        assert [reference() for reference in kept] == [None, None]
    finally:
        gc.enable()


class OnDevice(TorchFunctionMode):
    """Refuses what copies between a device and the CPU, which on one device alone would do nothing."""

    def __torch_function__(self, function, types, arguments=(), more=None):
        moves = [*arguments[1:], *(more or {}).values()]
        if function is torch.Tensor.to and any(isinstance(to, str) for to in moves):
            raise DataDependentOutputException(function)
        if function in (torch.Tensor.cpu, torch.Tensor.numpy, torch.Tensor.tolist):
            raise DataDependentOutputException(function)
        return function(*arguments, **(more or {}))


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("width", [1, 4])
def test_no_step_reads_a_tensor_back(start, tiny, precision, width):
    """Whoever reads one waits for the GPU: fake tensors have no values, so `item`, `if tensor` and such raise."""
    run = start(tiny.with_values(precision=precision), width)
    batch = [torch.rand(2, run.width, 8, 8).contiguous(memory_format=torch.channels_last) for _ in range(2)]
    for name in run.optimizers:
        with FakeTensorMode(allow_non_fake_inputs=True), OnDevice():
            losses = [run._descend(name, *batch) for _ in range(2)][-1]
            assert all(loss.shape == (run.width,) for loss in losses.values())
            first = next(iter(losses.values()))[0]
            for read in ("item", "cpu", "tolist", "nonzero", "__bool__"):
                with pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
                    getattr(first, read)()


def test_what_learns_and_what_scores_is_in_the_precision_that_it_says(start, tiny, monkeypatch):
    used = {"step": set(), "curve": set()}
    real = torch.nn.functional.conv2d

    def convolved(image, *arguments, **options):
        used["step" if torch.is_grad_enabled() else "curve"].add(torch.backends.cudnn.allow_tf32)
        return real(image, *arguments, **options)

    monkeypatch.setattr(torch.nn.functional, "conv2d", convolved)
    monkeypatch.setattr(
        torch.nn.Conv2d,
        "_conv_forward",
        lambda own, image, weight, bias: convolved(
            image, weight, bias, own.stride, own.padding, own.dilation, own.groups
        ),
    )
    before = torch.backends.cudnn.allow_tf32
    for precision, is_tf32 in (("tf32", True), ("fp32", False), ("bf16", False)):
        used["step"].clear()
        next(start(tiny.with_values(precision=precision, report_iterations=1)).advance(1))
        assert used == {"step": {is_tf32}, "curve": {False}}
    assert torch.backends.cudnn.allow_tf32 == before


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
