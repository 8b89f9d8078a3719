"""Which build the tests run: the sources, or with CICSWITCH_TEST=native the one in site-packages.

Processes that a test starts run the same one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
NATIVE = os.environ.get("CICSWITCH_TEST", "") == "native"

if NATIVE:
    assert "cicswitch" not in sys.modules
    before, sys.path = sys.path, [entry for entry in sys.path if Path(entry or ".") != ROOT]
    import cicswitch.sip.parse

    sys.path = before
    os.environ.pop("PYTHONPATH", None)
    BUILD = cicswitch.sip.parse.__file__
    if Path(BUILD).suffix != ".so":
        pytest.exit(f"{BUILD} is no native build: `make setup` says what it lacks", 2)
    stale = [
        str(path.relative_to(ROOT))
        for kind in ("*.py", "*.c")
        for path in (ROOT / "cicswitch").rglob(kind)
        if not (built := Path(cicswitch.__file__).parents[1] / path.relative_to(ROOT)).exists()
        or built.read_bytes() != path.read_bytes()
    ]
    if stale:
        pytest.exit(f"the native build is older than {stale[0]}: run `make setup`", 2)
else:
    os.environ["PYTHONPATH"] = str(ROOT)


def pytest_report_header() -> str:
    """The first lines of a run."""
    return f"cicswitch: {'the native build' if NATIVE else 'the sources'}"


# A machine that does other things beside makes no example wrong.
# The native build has been seen by the sources' examples, and looks at some of them again.
settings.register_profile("patient", deadline=None)
settings.register_profile("native", deadline=None, max_examples=25)
settings.load_profile("native" if NATIVE else "patient")
