"""What the rows of a search result say: look-ups and the bars that the project set itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["BARS", "TITLES", "Bar", "bars", "best_rival", "cost", "promises", "row_at", "title"]

OURS, HNSWLIB = "hierindex", "hnswlib"
TITLES = {
    "bigann10k": "BIGANN sample",
    "sift1m": "SIFT of photographs",
    "cifar-latents": "CIFAR-100, our encoder",
    "glove-like": "GloVe-like, heavy-tailed",
    "ten-million": "ten million, heavy-tailed",
}
#: Batch speed, as a multiple of the rival's: the best FAISS index that is not flat, hnswlib, ScaNN, flat FAISS.
BARS = {"best FAISS": 1.25, "hnswlib": 2.0, "ScaNN": 1.5, "faiss flat": 50.0}

Result = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """One thing to reach: what, the value reached, the value wanted, and whether more or less is better."""

    what: str
    reached: float
    wanted: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.reached >= self.wanted if self.at_least else self.reached <= self.wanted


def title(name: str, result: Result) -> str:
    """A data set in words.

    Example:
        >>> title("sift1m", {"facts": {"rows": 1000000, "d": 128}, "metric": "l2"})
        'SIFT of photographs, 1,000,000 x 128, L2'
    """
    facts, metric = result["facts"], {"l2": "L2"}.get(result["metric"], result["metric"])
    return f"{TITLES[name.partition('[')[0]]}, {facts['rows']:,} x {facts['d']}, {metric}"


def row_at(result: Result, system: str, mode: str, target: float) -> Result | None:
    """The row of a system; None where it did not reach the target."""
    fits = (r for r in result["rows"] if (r["system"], r["mode"], r["target"]) == (system, mode, target))
    return next(fits, None)


def cost(row: Result) -> float:
    """Microseconds a query: of a batch, or the median of single queries."""
    return float(row["us"] if row["mode"] == "batch" else row["p50_us"])


def best_rival(result: Result, mode: str, target: float, *, family: str = "") -> Result | None:
    """The fastest row of another system whose name begins with ``family``; flat FAISS is never it."""
    others = [
        row
        for row in result["rows"]
        if row["mode"] == mode and row["target"] == target and row["system"] not in (OURS, "faiss flat")
        if row["system"].startswith(family)
    ]
    return min(others, key=cost, default=None)


def bars(result: Result) -> list[Bar]:
    """The bars of one set, in the order of `BARS`; those whose rival is missing are left out."""
    found = []
    for target in (0.95, 0.99):
        for who, wanted in BARS.items():
            family = "faiss" if who == "best FAISS" else who
            row = row_at(result, who, "batch", target) if who == "faiss flat" else None
            row = row or best_rival(result, "batch", target, family=family)
            if row and "times_ours" in row:
                found.append(Bar(f"batch at {target:g}, times as fast as {who}", row["times_ours"], wanted))
        row = best_rival(result, "single", target)
        if row and "times_ours" in row:
            found.append(
                Bar(f"single at {target:g}, times as fast as the best ({row['system']})", row["times_ours"], 1.0)
            )
    return found + _build(result)


def _build(result: Result) -> list[Bar]:
    seconds = {name: [b["seconds"] for b in result["builds"] if b["system"] == name] for name in (OURS, HNSWLIB)}
    if not all(seconds.values()):
        return []
    share = min(seconds[OURS]) / min(seconds[HNSWLIB])
    return [Bar("build time, as a share of hnswlib's fastest", share, 0.1, at_least=False)]


def promises(result: Result) -> list[tuple[float, float, bool]]:
    """Recall asked, recall measured, and whether it lies between 0.005 below and 0.02 above; 1 is never too much."""
    rows = [row for row in result["rows"] if row["system"] == OURS and row["mode"] == "batch"]
    return [(r["target"], r["recall"], -0.005 <= r["recall"] - r["target"] <= 0.02) for r in rows]
