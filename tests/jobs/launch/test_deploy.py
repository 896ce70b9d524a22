"""The files for other clusters: Ray's launcher accepts one, and the other has the structure that KubeRay reads."""

from __future__ import annotations

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


def test_the_documented_files_are_there() -> None:
    readme = (image.ROOT / "jobs" / "README.md").read_text(encoding="utf-8")
    named = {word.strip("`;,") for word in readme.split() if word.startswith("jobs/deploy/")}
    assert named
    assert [name for name in named if not Path(image.ROOT, name).exists()] == []


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9"])
def test_a_cluster_that_is_not_there_is_told_at_once(address: str) -> None:
    with pytest.raises(ConfigError, match="no Ray cluster at"):
        RayPool(None, address, 1)
