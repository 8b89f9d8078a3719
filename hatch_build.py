"""Builds the hot modules to native code, where that is asked for and a C compiler is there.

    CICSWITCH_NATIVE=auto pip wheel --no-deps .     what cannot be built is left out; the
                                                    reason stands in build/native/reason
    CICSWITCH_NATIVE=1 pip wheel --no-deps .        what cannot be built is an error

The sources stay the program: a wheel without the variable, or on a machine without compiler or
Python's headers, runs them as they are.
Which modules are built stands in pyproject.toml, with the reason for those that are left out. What
is written in C has a Python path beside it, which runs where it is not built.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WANTED = os.environ.get("CICSWITCH_NATIVE", "0") or "0"


def missing() -> str:
    """What a native build lacks here; empty when it lacks nothing."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"the C compiler {compiler}"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's headers (Debian: python3-dev)"
    return ""


class NativeBuild(BuildHookInterface[Any]):
    """The hook of the wheel."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs beside hatchling."""
        return ["mypy[mypyc]", "setuptools"] if WANTED != "0" else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and put the extension modules beside their sources in the wheel."""
        if WANTED == "0" or version == "editable":
            return
        root = Path(self.root)
        target = root / "build" / "native"
        shutil.rmtree(target / "lib", ignore_errors=True)
        try:
            if lack := missing():
                raise RuntimeError(f"{lack} is missing")
            _compile(root, self._modules(root), self.config["extensions"], target)
        except (Exception, SystemExit) as error:  # whatever a compiler may say
            if WANTED != "auto":
                raise
            # pip shows nothing of a build that succeeds; who called it may want to know.
            target.mkdir(parents=True, exist_ok=True)
            (target / "reason").write_text(f"{error}\n")
            return
        for built in (target / "lib").rglob("*.so"):
            build_data["force_include"][str(built)] = str(built.relative_to(target / "lib"))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def _modules(self, root: Path) -> list[str]:
        left_out = {path for pattern in self.config["except"] for path in root.glob(pattern)}
        found = {path for pattern in self.config["modules"] for path in root.glob(pattern)}
        return sorted(str(path.relative_to(root)) for path in found - left_out)


def _compile(root: Path, modules: list[str], sources: list[str], target: Path) -> None:
    from mypyc.build import mypycify
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    before = Path.cwd()
    os.chdir(root)
    try:
        extensions = mypycify(
            modules,
            opt_level="2",
            debug_level="0",
            multi_file=True,
            group_name="cicswitch",
            target_dir=str(target / "c"),
        )
        extensions += [
            Extension(
                source.removesuffix(".c").replace("/", "."),
                [source],
                extra_compile_args=["-O2", "-Wall", "-Wextra"],
            )
            for source in sources
        ]
        command = build_ext(Distribution({"name": "cicswitch", "ext_modules": extensions}))
        command.build_lib = str(target / "lib")
        command.build_temp = str(target / "temp")
        command.parallel = os.cpu_count() or 1
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)
