"""What nodes hold: how many trials at once, and what a request asks for that no node has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clearer.machine import cores

_FLAGS = {"CPU": "--set threads", "GPU": "--gpus-per-trial"}


@dataclass(frozen=True)
class Request:
    """What a trial takes of one node."""

    threads: int
    gpus: float

    @property
    def resources(self) -> dict[str, float]:
        """Amounts above 0 by Ray's names."""
        wanted = {"CPU": float(self.threads), "GPU": self.gpus}
        return {name: amount for name, amount in wanted.items() if amount > 0}

    def problems(self, nodes: Sequence[Mapping[str, float]]) -> list[str]:
        """A line for each resource that no node has enough of, with its mend; none where a node can hold a trial."""
        found = []
        for name, wanted in self.resources.items():
            most = max((node.get(name, 0) for node in nodes), default=0)
            if wanted > most:
                asked = f"{_FLAGS[name]}: a trial asks for {wanted:g} {name}"
                found.append(f"{asked}, the largest node of the cluster has {most:g}; {_mend(name, most)}")
        if not found and not self.slots(nodes):
            both = " and ".join(f"{wanted:g} {name}" for name, wanted in self.resources.items())
            mend = f"lower {' or '.join(_FLAGS[name] for name in self.resources)}, or add a node that has both"
            found = [f"a trial asks for {both}, and no node of the cluster has both; {mend}"]
        return found

    def slots(self, nodes: Sequence[Mapping[str, float]]) -> int:
        """How many trials the nodes hold at once. A share of a GPU is of one GPU: two of 0.6 need two."""
        by_cpu = [int(node.get("CPU", 0) // self.threads) for node in nodes]
        if not self.gpus:
            return sum(by_cpu)
        by_gpu = [int(node.get("GPU", 0)) * shares(self.gpus) for node in nodes]
        return sum(map(min, by_cpu, by_gpu))


def shares(gpus: float) -> int:
    """How many trials with such a share one GPU holds."""
    return int(1 / gpus + 1e-9)


def _mend(name: str, most: float) -> str:
    if most:
        return f"ask for {most:g} or less, or add a larger node"
    if name != "GPU":
        return "start a node"
    autoscaled = "where an autoscaler starts such nodes, say by --slots N how many trials they will hold"
    return f"add a node with a GPU that CUDA or ROCm knows, or leave the flag out to run on CPUs; {autoscaled}"


def this_machine(with_gpus: bool) -> list[dict[str, float]]:
    """The one node that a Ray started here would be, without starting it; its GPUs are counted where they matter."""
    if not with_gpus:
        return [{"CPU": float(cores())}]
    import torch

    return [{"CPU": float(cores()), "GPU": float(torch.cuda.device_count())}]
