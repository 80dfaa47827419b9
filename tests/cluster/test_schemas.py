"""The manifests against the schemas of those who read them: KubeRay's operator, Ray's cluster launcher."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import botocore.session
import jsonschema
import pytest
import yaml
from botocore.validate import ParamValidator
from ray.autoscaler._private.util import prepare_config, validate_config
from running import ROOT

CLUSTER = ROOT / "cluster"


def strict(schema: Any) -> Any:
    """The schema, which then refuses unknown fields: Kubernetes drops them without a word."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(part) for name, part in schema.items()}
    if (
        isinstance(schema.get("properties"), dict)
        and "additionalProperties" not in schema
        and schema.get("type") == "object"
    ):
        found["additionalProperties"] = False
    return found


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    read = strict(json.loads((Path(__file__).parent / "schemas/rayjob_v1.json").read_text()))
    read["properties"]["metadata"] = {"type": "object"}  # Kubernetes' own
    return read


@pytest.fixture
def parts() -> dict[str, dict[str, Any]]:
    """The parts of the manifest by kind."""
    return {part["kind"]: part for part in yaml.safe_load_all((CLUSTER / "kuberay.yaml").read_text())}


def pods(job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [job["spec"]["submitterPodTemplate"], *(group["template"] for group in groups)]


def test_the_ray_job_fits_the_operator_s_schema(schema: dict[str, Any], parts: dict[str, dict[str, Any]]) -> None:
    jsonschema.validate(parts["RayJob"], schema)


@pytest.mark.parametrize("mistake", ["unknown field", "wrong type", "unknown mode"])
def test_the_schema_refuses_a_mistake(mistake: str, schema: dict[str, Any], parts: dict[str, dict[str, Any]]) -> None:
    job = copy.deepcopy(parts["RayJob"])
    if mistake == "unknown field":
        pods(job)[1]["spec"]["containers"][0]["volumeMount"] = []
    elif mistake == "wrong type":
        job["spec"]["backoffLimit"] = "two"
    else:
        job["spec"]["rayClusterSpec"]["authOptions"]["mode"] = "none"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(job, schema)


def test_nothing_of_the_ray_job_is_open_or_privileged(parts: dict[str, dict[str, Any]]) -> None:
    job = parts["RayJob"]
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]
    assert head["serviceType"] == "ClusterIP"
    assert head["enableIngress"] is False
    assert set(parts) == {"PersistentVolumeClaim", "NetworkPolicy", "RayJob"}, "no Service, no Ingress, no Secret"
    chosen = parts["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    for pod in pods(job):
        assert pod["metadata"]["labels"] == chosen, "the policy covers every pod"
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["automountServiceAccountToken"] is False
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "hostPort" not in str(container)


def test_the_volume_and_the_study_of_the_ray_job_are_there(parts: dict[str, dict[str, Any]]) -> None:
    from studies.driver.command_line import _parser
    from studies.lambda_pareto import STUDY

    job = parts["RayJob"]
    python, script, *arguments = job["spec"]["entrypoint"].split()
    options = _parser(STUDY, None).parse_args(arguments)
    assert (python, options.address) == ("python", "auto")
    workdir = re.findall(r"^WORKDIR (.*)", (CLUSTER / "Containerfile").read_text(), re.MULTILINE)[-1]
    assert (ROOT / Path(script).relative_to(workdir)).is_file()
    claim = parts["PersistentVolumeClaim"]["metadata"]["name"]
    for pod in pods(job)[1:]:
        (volume,) = pod["spec"]["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim
        (mount,) = pod["spec"]["containers"][0]["volumeMounts"]
        assert options.storage.startswith(mount["mountPath"] + "/")


@pytest.mark.parametrize("name", ["machines.yaml", "aws.yaml"])
def test_ray_up_accepts_the_file(name: str) -> None:
    text = yaml.safe_load((CLUSTER / name).read_text())
    validate_config(prepare_config(copy.deepcopy(text)))
    assert text["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "runs/**" in text["rsync_exclude"]
    with pytest.raises(jsonschema.ValidationError):
        validate_config(prepare_config({**copy.deepcopy(text), "head_start_commands": []}))


def test_ray_makes_no_security_group_of_its_own() -> None:
    """Ray's opens ssh to the world; with one named for every kind of node it leaves them as they are."""
    from ray.autoscaler._private.aws.config import _configure_security_group

    config = prepare_config(yaml.safe_load((CLUSTER / "aws.yaml").read_text()))
    before = copy.deepcopy(config)
    assert _configure_security_group(config) == before
    nodes = [kind["node_config"] for kind in config["available_node_types"].values()]
    assert all(node["SecurityGroupIds"] and node["MetadataOptions"]["HttpTokens"] == "required" for node in nodes)


@pytest.mark.parametrize("mistake", [{}, {"InstanceTyp": "m6i.large"}, {"SecurityGroupIds": "sg-0"}])
def test_ec2_knows_what_its_nodes_ask_for(mistake: dict[str, Any]) -> None:
    """Ray's schema lets everything pass inside of `node_config`; this is what botocore checks before it asks EC2."""
    asked = botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances").input_shape
    for kind in yaml.safe_load((CLUSTER / "aws.yaml").read_text())["available_node_types"].values():
        request = {**kind["node_config"], **mistake, "MinCount": 1, "MaxCount": 1}
        assert ParamValidator().validate(request, asked).has_errors() == bool(mistake)
