"""Internals of other packages that this floor relies on, each with its reason and a check that they are as expected."""

from __future__ import annotations

import codecs
import sys
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.errors import ConfigError

# pyarrow and Python --------------------------------------------------------------------------------------------------
#
# pyarrow: closing or collecting a `ParquetWriter` writes the footer, also of a file that is being given up. Its only
# way out is the attribute `is_open`, which is not documented. Known to hold for pyarrow 18 to 26.
#
# Python: `codecs.lookup` finds codecs that are not charsets (base64, rot13); `bytes.decode` refuses them by an
# attribute of `CodecInfo` that is not documented. Known to hold for Python 3.11 to 3.13.


def give_up(writer: pq.ParquetWriter) -> None:
    """Make the writer forget its file: neither `close` nor its finaliser will write a footer.

    Raises ImportError if this pyarrow's writer is not as expected: its finaliser would write into a closed stream.
    """
    if not isinstance(getattr(writer, "is_open", None), bool):
        raise ImportError(
            f"pyarrow {pa.__version__} keeps the state of a ParquetWriter in another way; install pyarrow 18 to 26, or "
            "change refinedweb/patches.py"
        )
    writer.is_open = False


def is_text_encoding(codec: codecs.CodecInfo) -> bool:
    """Whether the codec decodes bytes to text.

    Raises ImportError if this Python's codecs are not as expected.
    """
    try:
        return codec._is_text_encoding
    except AttributeError as error:
        raise ImportError(
            f"Python {sys.version.split()[0]} marks its text encodings in another way; use Python 3.11 to 3.13, or "
            "change refinedweb/patches.py"
        ) from error


# Ray ------------------------------------------------------------------------------------------------------------------
#
# An embedded Ray must not be reachable from the network: anyone who can talk to it can run code here. Ray has no public
# setting for that. Two internals together do it; both hold for Ray 2.50 to 2.60.
#
# - `ray.init` takes the address to listen on as `_node_ip_address`.
# - It replaces 127.0.0.1 by the machine's network address and then listens on all interfaces, unless an environment
#   variable meant for macOS and Windows says that clusters are not supported. It must be set before `import ray`.
#
# Nor may another user of the machine reach it: Ray takes its token from the environment, but reads it once. A process
# that has imported Ray before must be made to read it again.

RAY_VERSIONS = "2.50 to 2.60"
LOOPBACK_SWITCH = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
LOOPBACK_ENVIRONMENT = {LOOPBACK_SWITCH: "0"}


def check_loopback_switch(ray: Any) -> None:
    """Raises ConfigError if this Ray does not read `LOOPBACK_SWITCH`: it would listen on all interfaces."""
    constants = getattr(getattr(ray, "_private", None), "ray_constants", None)
    if getattr(constants, "ENABLE_RAY_CLUSTERS_ENV_VAR", None) != LOOPBACK_SWITCH:
        raise _other_ray(ray, f"it does not read {LOOPBACK_SWITCH}")


def init_on_loopback(ray: Any, **settings: Any) -> None:
    """`ray.init` on this machine's loopback address. Raises ConfigError if this Ray does not take the settings."""
    try:
        ray.init(_node_ip_address="127.0.0.1", **settings)
    except RuntimeError as error:
        if "Unknown keyword argument" not in str(error):
            raise
        raise _other_ray(ray, str(error)) from error


def read_token_again(ray: Any) -> None:
    """Make Ray read RAY_AUTH_MODE and RAY_AUTH_TOKEN, which were changed. A Ray without tokens has nothing to read."""
    native = getattr(ray, "_raylet", None)
    if native is not None and hasattr(native, "AuthenticationTokenLoader"):
        native.Config.initialize("")
        native.AuthenticationTokenLoader.instance().reset_cache()


def _other_ray(ray: Any, why: str) -> ConfigError:
    return ConfigError(
        f"Ray {getattr(ray, '__version__', '')} would not stay on this machine ({why}); install Ray {RAY_VERSIONS}, "
        "or adapt refinedweb/patches.py"
    )
