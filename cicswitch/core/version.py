"""The version of the installed package, and which build of it runs."""

from importlib.metadata import PackageNotFoundError, version

from cicswitch.core import timers

__all__ = ["BUILD", "__version__"]

try:
    __version__ = version("cicswitch")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"

BUILD = "sources" if str(timers.__file__).endswith(".py") else "native"
"""`native` where the hot modules are native code, else `sources`."""
