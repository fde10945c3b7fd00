"""The part of docs/results.md about choosing head and decoding without labels."""

from __future__ import annotations

from typing import Any

__all__ = ["section"]


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/selection.json``."""
    seeds = result["seeds"]
    rules = list(seeds[0]["picks"])
    return "\n".join(
        [
            "## Choosing the tree without labels",
            "",
            f"{result['data'].capitalize()}: heads of 2, 8 and 16 dimensions, four temperatures of the similarity "
            f"({result['steps']} steps each), with each decoding that fits: {len(seeds[0]['candidates'])} candidates, "
            f"{len(seeds)} seeds. Labels are read only to judge. Regret: the purity of the best candidate less that of "
            f"the chosen one. {result['date']}, commit {result['commit']}.",
            "",
            "| rule | purity chosen |"
            + "".join(f" regret, seed {each['seed']} |" for each in seeds)
            + " mean regret |",
            "|---|---:|" + "---:|" * len(seeds) + "---:|",
            *(_rule(rule, seeds) for rule in rules),
            f"| any candidate, on average | {_mean([s['mean'] for s in seeds])} |"
            + "".join(f" {s['best'] - s['mean']:.3f} |" for s in seeds)
            + f" {_mean([s['best'] - s['mean'] for s in seeds])} |",
            "",
            f"The best candidate has purity {_mean([s['best'] for s in seeds])} on average; Ward on the pixels, "
            f"with no head, has {_mean([s['raw']['ward'] for s in seeds])}. {_verdict(seeds)}",
            "",
            "Mean purity over the seeds:",
            "",
            *_table(seeds),
            "",
        ]
    )


def _rule(rule: str, seeds: list[dict[str, Any]]) -> str:
    picks = [each["picks"][rule] for each in seeds]
    regrets = "".join(f" {pick['regret']:.3f} |" for pick in picks)
    chosen, regret = _mean([p["true"] for p in picks]), _mean([p["regret"] for p in picks])
    return f"| {rule} | {chosen} |{regrets} {regret} |"


def _verdict(seeds: list[dict[str, Any]]) -> str:
    regret = {rule: sum(each["picks"][rule]["regret"] for each in seeds) / len(seeds) for rule in seeds[0]["picks"]}
    best = min(regret, key=lambda rule: regret[rule])
    hits = sum(each["picks"][best]["regret"] == 0 for each in seeds)
    return (
        f"The least regret has `{best}`, which picks the very best in {hits} of {len(seeds)} seeds. "
        "`choose_among` asks for neighbour purity by default; the choice of an index's tree, which is built on a cut, "
        "asks for modularity and then stability."
    )


def _table(seeds: list[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(c["name"] for c in seeds[0]["candidates"]))
    kinds = list(dict.fromkeys((c["dim"], c["decode"]) for c in seeds[0]["candidates"]))
    lines = ["| p, decode |" + "".join(f" {name} |" for name in names), "|---|" + "---:|" * len(names)]
    for dim, decode in sorted(kinds):
        cells = []
        for name in names:
            key = (name, dim, decode)
            found = [c["true"] for s in seeds for c in s["candidates"] if (c["name"], c["dim"], c["decode"]) == key]
            cells.append(f" {_mean(found)} |")
        lines.append(f"| {dim}, {decode} |" + "".join(cells))
    return lines


def _mean(values: list[float]) -> str:
    return f"{sum(values) / len(values):.3f}"
