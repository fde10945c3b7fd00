"""What every result says beside its numbers: which code, machine, versions and day."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["RESULTS", "about", "shared_data", "write"]

_CHANGES = ("status", "--porcelain", "--", ".", ":!benchmarks/results", ":!docs")  # what a run before wrote is none
ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = ("hierindex", "numpy", "scipy", "torch", "torchvision", "faiss-cpu", "pyarrow", "deltalake", "scikit-learn")


def about(script: str, *, seed: int, data: str) -> dict[str, Any]:
    """The circumstances of a run."""
    return {
        "script": f"benchmarks/{Path(script).name}",
        "seed": seed,
        "data": data,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "commit": _git("rev-parse", "--short", "HEAD") + ("+changes" if _git(*_CHANGES) else ""),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "python": platform.python_version(),
        },
        "packages": {name: version(name) for name in PACKAGES},
    }


def shared_data(*parts: str) -> Path:
    """A data set that lies beside the checkout; a script that needs one stops and says so where it is missing."""
    path = ROOT.parent.joinpath("shared", "data", *parts)
    if not path.exists():
        raise SystemExit(
            f"this measurement needs the data set {'/'.join(parts)} in ../shared/data; found nothing there"
        )
    return path


def write(name: str, result: dict[str, Any]) -> None:
    """One result, as ``benchmarks/results/<name>.json``."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    target = RESULTS / f"{name}.json"
    target.write_text(json.dumps(_rounded(result), indent=1) + "\n")
    print(f"wrote {target.relative_to(ROOT)}")


def _rounded(value: object) -> object:
    """Floats to five significant digits: more of them would be noise."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
