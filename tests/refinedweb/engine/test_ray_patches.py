"""Another version of Ray is refused with a message rather than let onto the network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import ray

from refinedweb.patches import check_loopback_switch, init_on_loopback
from stages.errors import ConfigError


def test_the_installed_ray_is_as_expected() -> None:
    check_loopback_switch(ray)


@pytest.mark.parametrize(
    "other",
    [
        SimpleNamespace(__version__="9.9"),
        SimpleNamespace(
            __version__="9.9", _private=SimpleNamespace(ray_constants=SimpleNamespace(ENABLE_RAY_CLUSTERS_ENV_VAR="X"))
        ),
    ],
)
def test_a_ray_without_the_switch_is_refused(other: Any) -> None:
    with pytest.raises(ConfigError, match=r"Ray 9\.9 would not stay on this machine .* install Ray 2\.50"):
        check_loopback_switch(other)


def test_a_ray_that_takes_no_address_is_refused_and_other_errors_pass() -> None:
    def failing(message: str) -> Any:
        def init(**settings: Any) -> None:
            raise RuntimeError(message)

        return SimpleNamespace(init=init)

    with pytest.raises(ConfigError, match="install Ray"):
        init_on_loopback(failing("Unknown keyword argument(s): _node_ip_address"))
    with pytest.raises(RuntimeError, match="twice"):
        init_on_loopback(failing("called twice"))
