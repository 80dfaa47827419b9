from clearer.streams import torch_seed


def test_generators_are_named():
    drawn = [torch_seed(*name) for name in ((0, "weights"), (0, "weights"), (1, "weights"), (0, "logits"))]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3
