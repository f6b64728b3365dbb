"""What is done when a wheel is built: with KRETSLOPP_READY_KERNELS=1 (`make wheel`) it carries compiled kernels.

They are made here, for any processor of this architecture, and hold for this Python, Numba and NumPy alone, so such a
wheel is tagged for this Python and platform. Without the switch a wheel is plain Python and built in a second.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WANTED = os.environ.get("KRETSLOPP_READY_KERNELS", "") not in ("", "0")
EVERY_RULE = "appraisal.mix=npv@0.2,payback@0.2,planned_behaviour@0.2,satisficing@0.2"  # beside the default
# Commands that between them call every kernel.
CALLS = (
    ("effect", "tiny", "--replicates", "2", "--set", EVERY_RULE),
    ("prices", "fit", "docs/examples/prices.csv", "--from", "2005"),
)


class ReadyKernels(BuildHookInterface):
    """Compiles the kernels anew, and adds them."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the model needs to run, where the kernels are wanted."""
        return list(self.metadata.core.dependencies) if WANTED else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is put together."""
        if not WANTED or version == "editable":
            return
        self.folder = Path(tempfile.mkdtemp())
        for words in CALLS:
            self._run("from kretslopp.cli import main; main()", *words)
        (ready,) = self.folder.iterdir()
        self._run("import sys; from abm.kernelcache import describe; describe(sys.argv[1])", str(ready))
        build_data["force_include"][str(ready)] = "abm/ready"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called when the wheel is there."""
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def _run(self, code: str, *words: str) -> None:
        """Run code on the source, for any processor."""
        told = {"PYTHONPATH": self.root, "NUMBA_CACHE_DIR": str(self.folder), "NUMBA_CPU_NAME": "generic"}
        command = [sys.executable, "-c", code, *words]
        subprocess.run(command, cwd=self.root, env={**os.environ, **told}, stdout=subprocess.DEVNULL, check=True)
