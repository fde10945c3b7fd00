"""The part of docs/results.md about what leaves are scanned as."""

from __future__ import annotations

from typing import Any

__all__ = ["section"]

_TWOS = "4 bits, two a part"
_COLUMNS = ("float32", "8 bits", _TWOS, "4 bits, one dimension a part")


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/leaf_kinds.json``."""
    rows = [(found, _columns(found["kinds"])) for found in result["sets"]]
    return "\n".join(
        [
            "## What leaves are scanned as",
            "",
            f"The same k-means leaves, probed so that they hold {result['in_leaves']:.2f} of the 10 nearest; each kind "
            f"gives as few candidates as lose at most {result['loss']} of that. Microseconds a query in a batch (two "
            f"threads) / alone (one), scan and exact comparison, medians of {result['rounds']} interleaved rounds; in "
            "brackets bytes a row and candidates. Of the codes with two dimensions a part, the fastest length. "
            "A dash: more than 700 candidates would be needed. Float32 leaves are a second copy of the rows in memory.",
            "",
            "| data | rows | d | leaves scanned | " + " | ".join(_COLUMNS) + " |",
            "|---|---:|---:|---:|" + "---:|" * len(_COLUMNS),
            *(
                f"| {found['data']} | {found['rows']:,} | {found['dimensions']} | {found['probed']} | "
                + " | ".join(_cell(each, kinds) for each in kinds)
                + " |"
                for found, kinds in rows
            ),
            "",
            *_verdicts(rows),
        ]
    )


def _columns(kinds: dict[str, dict[str, float]]) -> list[dict[str, float] | None]:
    """The kinds in the order of the columns."""
    twos = [each for name, each in kinds.items() if name.startswith(_TWOS)]
    fastest = min(twos, key=_both, default=None)
    return [fastest if name == _TWOS else kinds.get(name) for name in _COLUMNS]


def _both(kind: dict[str, float]) -> float:
    return kind["batch_us"] * kind["single_us"]


def _cell(kind: dict[str, float] | None, kinds: list[dict[str, float] | None]) -> str:
    if kind is None:
        return "-"
    text = f"{kind['batch_us']:.1f} / {kind['single_us']:.0f} ({kind['bytes']:.0f} B, {kind['candidates']:.0f})"
    return f"**{text}**" if kind is min((each for each in kinds if each), key=_both) else text


def _verdicts(rows: list[tuple[dict[str, Any], list[dict[str, float] | None]]]) -> list[str]:
    """Where each kind is the fastest, said from the figures."""
    won: dict[str, list[str]] = {name: [] for name in _COLUMNS}
    for found, kinds in rows:
        known = [(kind, name) for kind, name in zip(kinds, _COLUMNS, strict=True) if kind]
        best = min(known, key=lambda one: _both(one[0]))[1]
        won[best].append(f"{found['data']} d = {found['dimensions']}")
    return [
        f"- *{name}* {'is the fastest in ' + str(len(where)) if where else 'is never the fastest'} of {len(rows)}"
        + (f": {'; '.join(where)}." if where else ".")
        for name, where in won.items()
    ]
