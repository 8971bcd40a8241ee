"""Values for Milvus's chart: rendered by Helm where chart and library are here, and what must hold of them."""

from __future__ import annotations

import math
import re

import pytest

from dinosearch.sizing import plan

from .conftest import named_folder, texts

FILE = "milvus/values.yaml"
FLOORS = ((2, 5, 27), (2, 6, 10))
"""Of the two lines, what closes CVE-2025-64513 and CVE-2026-26190."""
GIB = 2**30


def test_the_version_is_at_or_above_the_floor(read):
    version = tuple(map(int, re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)", read(FILE)["image"]["all"]["tag"]).groups()))
    assert any(version[:2] == floor[:2] and version >= floor for floor in FLOORS) or version[:2] > (2, 6)


def test_passwords_and_tls_are_on_and_no_secret_stands_in_it(read):
    yaml = pytest.importorskip("yaml")
    values = read(FILE)
    told = yaml.safe_load(values["extraConfigFiles"]["user.yaml"])
    assert told["common"]["security"] == {"authorizationEnabled": True, "tlsMode": 1}
    (volume,), (mount,) = values["proxy"]["volumes"], values["proxy"]["volumeMounts"]
    assert volume["name"] == mount["name"]
    assert all(path.startswith(mount["mountPath"]) for path in told["tls"].values())
    (password,) = values["mixCoordinator"]["extraEnv"]
    assert "value" not in password
    assert password["valueFrom"]["secretKeyRef"]
    assert not {"accessKey", "secretKey"} & set(values["externalS3"])
    assert "minioadmin" not in texts(values)


def test_object_storage_is_outside_and_encrypted(read):
    values = read(FILE)
    assert values["externalS3"]["enabled"] and values["externalS3"]["useSSL"] and values["externalS3"]["useIAM"]
    assert not any(values[part]["enabled"] for part in ("minio", "pulsar", "pulsarv3", "kafka"))


def test_query_nodes_are_what_the_plan_says(read):
    """100 million images of 384 numbers, machines of 64 GB, two copies."""
    nodes = read(FILE)["queryNode"]
    planned = plan(100_000_000, "dinov2_vits14", 0.95, {"machine_ram": 64e9, "machine_cores": 16}).places[1]
    assert nodes["replicas"] == planned.machines
    each = planned.machines / 2
    asked = nodes["resources"]["requests"]
    assert int(asked["memory"].removesuffix("Gi")) * GIB >= planned.memory / each / 0.7
    assert int(asked["memory"].removesuffix("Gi")) * GIB <= 64e9
    assert int(asked["ephemeral-storage"].removesuffix("Gi")) * GIB >= planned.disk / each
    assert math.isclose(each, int(each))


def test_the_policy_keeps_to_the_schema_of_kubernetes(read, valid_object):
    policy = read("milvus/network-policy.yaml")
    valid_object(policy)
    ports = [port["port"] for rule in policy["spec"]["ingress"] for port in rule.get("ports", ())]
    assert ports == [19530, 9091]


def test_the_chart_takes_the_values(read, valid_object):
    """Where DINOSEARCH_MILVUS_CHART names the folder charts/milvus of milvus-helm, version 5.0.19 or newer."""
    folder = named_folder("DINOSEARCH_MILVUS_CHART", "chart of Milvus")
    helm = pytest.importorskip("helm_python", reason="helm-python-sdk is not installed")
    yaml = pytest.importorskip("yaml")
    with helm.Chart.load(folder) as chart:
        rendered = chart.render(read(FILE), name="milvus", namespace="milvus", is_install=True)
    found = {}
    for name, text in rendered.items():
        if name.endswith(".yaml"):
            for thing in filter(None, yaml.safe_load_all(text)):
                valid_object(thing)
                found[thing["kind"], thing["metadata"]["name"]] = thing
    parts = ("proxy", "mixcoord", "querynode", "streamingnode", "datanode")
    assert {("Deployment", f"milvus-{part}") for part in parts} <= set(found)
    assert found["Deployment", "milvus-querynode"]["spec"]["replicas"] == read(FILE)["queryNode"]["replicas"]
    told = found["ConfigMap", "milvus"]["data"]
    default, user = (yaml.safe_load(told[name]) for name in ("default.yaml", "user.yaml"))
    assert default["minio"]["useSSL"] is True
    assert (user["mq"]["type"], default["woodpecker"]["storage"]["type"]) == ("woodpecker", "minio")
    assert user["common"]["security"]["authorizationEnabled"] is True
    assert "StatefulSet" not in {kind for kind, name in found if "minio" in name or "pulsar" in name}
