"""The manifests for KubeRay: against the schema of its resources where that is here, and what must hold of them."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from dinosearch.sizing import ASSUMPTIONS

from .conftest import named_folder
from .test_compose import check_command

FILES = {"kuberay/cluster.yaml": "rayclusters", "kuberay/job.yaml": "rayjobs"}


def cluster_of(document: dict[str, Any]) -> dict[str, Any]:
    return document["spec"].get("rayClusterSpec", document["spec"])


def groups(document: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = cluster_of(document)
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


@pytest.mark.parametrize("name", FILES)
def test_it_keeps_to_the_schema_of_kuberay(read, name):
    """Where DINOSEARCH_KUBERAY_CRDS names the folder helm-chart/kuberay-operator/crds of KubeRay's repository."""
    folder = named_folder("DINOSEARCH_KUBERAY_CRDS", "schema of KubeRay")
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    yaml = pytest.importorskip("yaml")
    resource = yaml.safe_load((folder / f"ray.io_{FILES[name]}.yaml").read_text(encoding="utf-8"))
    (schema,) = [v["schema"]["openAPIV3Schema"] for v in resource["spec"]["versions"] if v["name"] == "v1"]
    closed(schema)
    assert [f"{e.json_path}: {e.message}" for e in jsonschema.Draft7Validator(schema).iter_errors(read(name))] == []
    broken = read(name)
    cluster_of(broken)["workerGroupSpec"] = []
    assert not jsonschema.Draft7Validator(schema).is_valid(broken)  # a name that does not exist is found


def closed(schema: Any) -> None:
    """Let no field pass that the schema does not name, as the server prunes these without a word."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
            metadata = schema["properties"].get("metadata")
            if metadata == {"type": "object"}:
                metadata["additionalProperties"] = True
        for value in schema.values():
            closed(value)
    elif isinstance(schema, list):
        for value in schema:
            closed(value)


@pytest.mark.parametrize("name", FILES)
def test_every_pod_keeps_to_the_schema_of_kubernetes(read, valid_object, name):
    for group in groups(read(name)):
        valid_object({"apiVersion": "v1", "kind": "PodTemplate", "template": group["template"]})


@pytest.mark.parametrize("name", FILES)
def test_the_cluster_is_one_that_dinosearch_can_use(read, name):
    document = read(name)
    assert document["apiVersion"] == "ray.io/v1"
    cluster = cluster_of(document)
    assert tuple(map(int, cluster["rayVersion"].split(".")[:2])) >= (2, 52)  # GHSA-q279-jhrf-cc6v
    assert cluster["authOptions"]["mode"] == "token"
    head, *workers = groups(document)
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert head["serviceType"] == "ClusterIP"
    for group in (head, *workers):
        pod = group["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert {container["image"] for container in pod["containers"]} == {images(document)[0]}
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
    for worker in workers:
        wanted = worker["template"]["spec"]["containers"][0]["resources"]["requests"]
        assert int(wanted["cpu"]) == ASSUMPTIONS["cores_per_gpu"].value
        assert worker["minReplicas"] <= worker["replicas"] <= worker["maxReplicas"] == ASSUMPTIONS["gpus"].value


def test_both_have_the_same_cluster(read):
    cluster, job = (cluster_of(read(name)) for name in FILES)
    for group in (*cluster["workerGroupSpecs"], *job["workerGroupSpecs"]):
        for size in ("replicas", "minReplicas"):
            group.pop(size)
    assert cluster["headGroupSpec"] == job["headGroupSpec"]
    assert cluster["workerGroupSpecs"] == job["workerGroupSpecs"]


def test_the_job_runs_a_command_of_dinosearch_and_ends(read):
    job = read("kuberay/job.yaml")["spec"]
    check_command(shlex.split(job["entrypoint"]))
    assert re.search(r"--engine ray --address auto\b", job["entrypoint"])
    assert job["shutdownAfterJobFinishes"] is True
    assert job["backoffLimit"] >= 1  # what is finished is kept


def images(document: dict[str, Any]) -> list[str]:
    return [c["image"] for group in groups(document) for c in group["template"]["spec"]["containers"]]
