"""The files for other clusters: Ray's launcher accepts one, and the other has the structure that KubeRay reads."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.launch import image
from refinedweb.engine.ray_pool import ENVIRONMENT, RayPool
from stages.errors import ConfigError

DEPLOY = image.ROOT / "jobs" / "deploy"
KEEPALIVE = {name: value for name, value in ENVIRONMENT.items() if "keepalive" in name}


def load(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


@pytest.fixture
def cluster() -> Any:
    return load("ray-cluster.yaml")


def test_rays_own_launcher_accepts_the_cluster(cluster: Any) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(cluster))


def test_its_launcher_would_refuse_a_mistake(cluster: Any) -> None:
    from ray.autoscaler._private.util import validate_config

    cluster["available_node_types"]["worker"]["max_worker"] = 3
    with pytest.raises(Exception, match="max_worker"):
        validate_config(cluster)


def test_workers_are_spot_and_come_with_the_work(cluster: Any) -> None:
    worker, head = (cluster["available_node_types"][name] for name in ("worker", "head"))
    assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in head["node_config"]
    assert worker["min_workers"] == 0
    assert worker["node_config"]["IamInstanceProfile"] == head["node_config"]["IamInstanceProfile"]


def test_every_node_notices_a_silent_link(cluster: Any) -> None:
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        [start] = [command for command in cluster[key] if "ray start" in command]
        assert all(f"{name}={value}" in start for name, value in KEEPALIVE.items())


def pods(manifest: Any) -> Iterator[Any]:
    spec = manifest["spec"]
    yield spec["submitterPodTemplate"]["spec"]
    groups = spec["rayClusterSpec"]
    for group in [groups["headGroupSpec"], *groups["workerGroupSpecs"]]:
        yield group["template"]["spec"]


def test_the_kubernetes_job_ends_with_the_run_and_resumes() -> None:
    spec = load("rayjob.yaml")["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["backoffLimit"] > 0
    assert "--address auto" in spec["entrypoint"]
    groups = spec["rayClusterSpec"]
    for group in [groups["headGroupSpec"], *groups["workerGroupSpecs"]]:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values()), "KubeRay takes strings"


def test_every_pod_has_the_image_the_token_and_the_keep_alives() -> None:
    found = list(pods(load("rayjob.yaml")))
    assert len(found) == 3
    assert len({pod["containers"][0]["image"] for pod in found}) == 1
    for pod in found:
        environment = {item["name"]: item.get("value") for item in pod["containers"][0]["env"]}
        assert environment["RAY_AUTH_MODE"] == "token"
        assert "RAY_AUTH_TOKEN" in environment
        assert environment.items() >= KEEPALIVE.items()


def test_no_pod_may_more_than_it_needs() -> None:
    for pod in pods(load("rayjob.yaml")):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        written = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {"/tmp", "/home/refinedweb"} <= written, "the rest of its file system is read-only"
        assert {mount["name"] for mount in container["volumeMounts"]} <= {one["name"] for one in pod["volumes"]}


def test_a_ray_cluster_is_open_to_its_own_pods_only() -> None:
    policy = load("network-policy.yaml")["spec"]
    ours = policy["podSelector"]["matchLabels"].items()
    manifest = load("rayjob.yaml")["spec"]
    groups = manifest["rayClusterSpec"]
    pod_templates = [manifest["submitterPodTemplate"]] + [
        group["template"] for group in (groups["headGroupSpec"], *groups["workerGroupSpecs"])
    ]
    assert all(template["metadata"]["labels"].items() >= ours for template in pod_templates)
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    own, operator = policy["ingress"]
    assert own == {"from": [{"podSelector": {"matchLabels": dict(ours)}}]}
    assert operator["ports"] == [{"protocol": "TCP", "port": 8265}]
    assert all(source["podSelector"]["matchLabels"] for source in operator["from"]), "never everybody"
    head = groups["headGroupSpec"]
    assert {port["name"] for port in head["template"]["spec"]["containers"][0]["ports"]} == {"gcs", "dashboard"}
    assert (head["serviceType"], head["enableIngress"]) == ("ClusterIP", False)
    outside = [port["port"] for rule in policy["egress"] if "to" not in rule for port in rule["ports"]]
    assert 80 not in outside, "the instance's metadata, with the node's credentials"


def test_no_secret_stands_in_an_argument(cluster: Any) -> None:
    assert not [option for option in cluster["docker"]["run_options"] if "TOKEN" in option]
    [made] = [command for command in cluster["initialization_commands"] if "RAY_AUTH_TOKEN" in command]
    assert "umask 077" in made
    assert "--env-file ~/refinedweb.env" in cluster["docker"]["run_options"]
    assert "~/refinedweb.env" in made


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_token_is_written_where_only_its_owner_reads_it(cluster: Any, tmp_path: Path) -> None:
    [made] = [command for command in cluster["initialization_commands"] if "RAY_AUTH_TOKEN" in command]
    (tmp_path / "aws").write_text("#!/bin/sh\necho 0123abcd\n")
    (tmp_path / "aws").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    subprocess.run(["bash", "-c", made], env=environment, check=True)
    written = tmp_path / "refinedweb.env"
    assert written.read_text() == "RAY_AUTH_MODE=token\nRAY_AUTH_TOKEN=0123abcd\n"
    assert written.stat().st_mode & 0o777 == 0o600


def test_the_documented_files_are_there() -> None:
    readme = (image.ROOT / "jobs" / "README.md").read_text(encoding="utf-8")
    named = {word.strip("`;,") for word in readme.split() if word.startswith("jobs/deploy/")}
    assert named
    assert [name for name in named if not Path(image.ROOT, name).exists()] == []


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9"])
def test_a_cluster_that_is_not_there_is_told_at_once(address: str) -> None:
    with pytest.raises(ConfigError, match="no Ray cluster at"):
        RayPool(None, address, 1)
