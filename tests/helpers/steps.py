"""What tests of steps share: networks far from a start, and the gradients that an optimiser is given."""

import torch


def uneven(network):
    """Weights, running statistics and logits that are far from those of a start."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                tensor.normal_(0, 0.3, generator=generator)
                if name.endswith("running_var"):
                    tensor.abs_().add_(0.1)
    return network


def gradients(run, name):
    """Filled at each step with what the optimiser is given."""
    found = []
    groups = run.optimizers[name].param_groups
    run.optimizers[name].register_step_pre_hook(lambda *_: found.extend(p.grad.clone() for p in groups[0]["params"]))
    return found


def in_float64(search):
    """The search, its batches and its losses in float64."""
    search.supernet.double()
    search._costs, search._lambdas = search._costs.double(), search._lambdas.double()
    for crops in search.crops.values():
        crops.batch = lambda iteration, made=crops.batch: tuple(side.double() for side in made(iteration))
    return search
