"""Builds the console: `make console`. Needs Node.js and npm, which nothing else here does.

What is built (`dist`) is kept with the sources, so that a switch is set up without Node.js.
`dist/SOURCES` holds the digest of what it was built of; a test compares it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
_PARTS = (
    "src",
    "public",
    "index.html",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
    "vite.widget.config.ts",
)
_MADE = {"schema.ts"}


def digest() -> str:
    """That of all that the console is built of."""
    found = hashlib.sha256()
    for part in _PARTS:
        path = HERE / part
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.name not in _MADE:
                found.update(file.relative_to(HERE).as_posix().encode() + b"\0")
                found.update(file.read_bytes() + b"\0")
    return found.hexdigest()


def main() -> int:
    """Build it. The exit status."""
    npm = shutil.which("npm")
    if npm is None:
        print("the console is built with npm (Debian: nodejs, npm)", file=sys.stderr)
        return 1
    from cicswitch.api import resources  # only `digest` is asked for elsewhere
    from cicswitch.api.openapi import document  # the same

    assert resources
    (HERE / "openapi.json").write_bytes(document())
    for command in (["ci"], ["run", "-s", "types"], ["run", "-s", "build"]):
        if status := subprocess.run([npm, *command], cwd=HERE, check=False).returncode:
            return status
    (HERE / "dist" / "SOURCES").write_text(digest() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
