"""The launch files: what they say is well formed, asks for the token everywhere, and opens nothing to the world."""

import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from running import ROOT

CLUSTER = ROOT / "cluster"
SCRIPTS = sorted(CLUSTER.glob("*.sh"))
LAUNCHERS = sorted(
    path for path in CLUSTER.iterdir() if path.suffix in {".sh", ".yaml"} or path.name == "Containerfile"
)


def commands(text: str) -> str:
    """The text without comments."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_well_formed(script: Path) -> None:
    checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    if shutil.which("shellcheck"):
        checked = subprocess.run(
            ["shellcheck", "--external-sources", script.name], cwd=CLUSTER, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.name)
def test_token_authentication_is_on(path: Path) -> None:
    """In the file itself, or in environment.sh before every `ray start` of it."""
    text = commands(path.read_text())
    if path.name == "kuberay.yaml":
        job = next(part for part in yaml.safe_load_all(text) if part["kind"] == "RayJob")
        assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token", "secretName": "clearer-token"}
    elif path.name in {"environment.sh", "Containerfile"}:
        assert "RAY_AUTH_MODE=token" in text
    else:
        starts = [match.start() for match in re.finditer(r"ray start|head\.sh|worker\.sh", text)]
        assert starts
        if path.suffix == ".sh":
            assert 0 < text.index("/environment.sh") < min(starts)
        else:
            for name in ("head_start_ray_commands", "worker_start_ray_commands"):
                for line in yaml.safe_load(text)[name]:
                    assert line.startswith("source ~/clearer-studies/cluster/environment.sh &&")


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.name)
def test_a_head_s_dashboard_is_on_loopback(path: Path) -> None:
    """But in a pod, whose dashboard the operator and the submitter reach through a service inside of the cluster."""
    hosts = re.findall(r"dashboard-host[=:] ?(\S+)", commands(path.read_text()))
    heads = commands(path.read_text()).count("ray start --head")
    if path.name == "kuberay.yaml":
        assert hosts == ["0.0.0.0"]
    else:
        assert hosts == ["127.0.0.1"] * heads


@pytest.mark.parametrize("path", [p for p in LAUNCHERS if p.suffix in {".sh", ".yaml"}], ids=lambda path: path.name)
def test_no_secret_is_written_down(path: Path) -> None:
    assert not re.search(r"\b[0-9a-f]{24,}\b|AKIA|BEGIN .*PRIVATE KEY", path.read_text())


def ports() -> dict[str, int]:
    """The fixed ports of a node, by the name of the option."""
    printed = subprocess.run(
        ["bash", "-c", "source cluster/environment.sh; printf '%s\\n' --port=$gcs_port \"${node_ports[@]}\""],
        cwd=ROOT, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin", "HOME": "/nowhere"},
    ).stdout  # fmt: skip
    return {name: int(port) for name, port in re.findall(r"--([\w-]+)=(\d+)", printed)}


def test_the_fixed_ports_do_not_collide_and_the_readme_names_them_all() -> None:
    found = ports()
    workers = range(found.pop("min-worker-port"), found.pop("max-worker-port") + 1)
    assert len(set(found.values())) == len(found) == 7
    assert not set(found.values()) & set(workers)
    text = (CLUSTER / "README.md").read_text()
    assert all(str(port) in text for port in (*found.values(), workers[0], workers[-1]))


def test_the_port_options_are_ray_s() -> None:
    from ray.scripts.scripts import start

    known = {option for parameter in start.params for option in parameter.opts}
    assert {f"--{name}" for name in ports()} <= known


def test_the_versions_of_ray_agree() -> None:
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    job = next(d for d in yaml.safe_load_all((CLUSTER / "kuberay.yaml").read_text()) if d["kind"] == "RayJob")
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]


def test_the_container_holds_what_the_project_installs_and_does_not_run_as_root() -> None:
    text = (CLUSTER / "Containerfile").read_text()
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = {name.removesuffix("*") for name in found}
    copied = {name for line in re.findall(r"^COPY (.*)", text, re.MULTILINE) for name in line.split()[:-1]}
    assert set(packages) <= copied
    assert all((ROOT / name).exists() for name in copied)
    assert re.findall(r"^USER (.*)", text, re.MULTILINE)[-1] == "1000:1000"
    assert text.count("--constraint constraints.txt") == text.count("pip install")


def test_the_readme_names_every_launch_file_and_only_files_that_exist() -> None:
    text = (CLUSTER / "README.md").read_text()
    assert all(path.name in text for path in LAUNCHERS)
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    named = re.findall(r"\b(?:cluster|studies|tests|docs)/[\w./-]*\w", text)
    assert all((CLUSTER / link).exists() for link in links), links
    assert all((ROOT / name).exists() for name in named), named


@pytest.mark.parametrize(
    ("script", "arguments", "problem"),
    [
        ("head.sh", (), "usage"),
        ("worker.sh", (), "usage"),
        ("worker.sh", ("127.0.0.1:1",), "no token"),
        ("slurm.sh", (), "sbatch"),
    ],
)
def test_a_mistake_is_one_line(script: str, arguments: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    command, environment = ["bash", str(CLUSTER / script), *arguments], {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert problem in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_waiting_for_a_head_that_is_not_there_ends() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # it does not listen
        address = f"127.0.0.1:{free.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, str(CLUSTER / "nodes.py"), address, "2", "0"], capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"no head answers at {address} after 0 s\n"
