"""The part of docs/results.md about CIFAR-100."""

from __future__ import annotations

from typing import Any

__all__ = ["MEASURES", "PUBLISHED", "section"]

#: DP, LP, ACC, NMI in % at 20 leaves (superclasses) and at 100 (classes): arXiv 2509.23602, Table 1 and its text.
PUBLISHED = {
    "TreeVAE (published)": ((10.4, 24.2, 21.8, 17.8), (3.8, 12.1, 12.0, 27.6)),
    "DeepTaxonNet (published; 2,047 nodes, soft DP and LP)": (
        (17.4, 27.9, 40.7, 29.4),
        (8.3, 15.7, 26.4, 37.0),
    ),
}
MEASURES = ("dp", "lp", "acc", "nmi")
_OURS = "learned, p = 32"
_INDEX = "the tree of an index"
_OF_TEST = "diffusion of the test set + Ward"
_AT_20 = {"DP 20": "dp_20", "LP 20": "lp_20", "ACC 20": "acc_20", "NMI 20": "nmi_20"}
_FEATURES = (
    ("knn10_coarse", "10-NN, superclasses"),
    ("knn10_fine", "10-NN, classes"),
    ("linear_coarse", "linear probe, superclasses"),
    ("linear_fine", "linear probe, classes"),
    ("mahp_250", "mAHP@250"),
)
_ENCODERS = {
    "longer": "contrast and tree, longer",
    "joint": "contrast and tree (eq. 3)",
    "ssl": "contrast alone",
}


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/cifar100.json``."""
    return "\n".join(
        [
            "## CIFAR-100, no labels",
            "",
            *_how(result),
            "",
            "### Features",
            "",
            *_features(result),
            *_crops(result),
            "",
            "### Trees over the test images",
            "",
            *_trees(result),
            "",
            *_verdicts(result),
            "",
            "### Balance of the two losses",
            "",
            *_ablation(result),
            "",
            "### The paper's Figure 4 again",
            "",
            *_figure(result),
            "",
        ]
    )


def _how(result: dict[str, Any]) -> list[str]:
    runs = {name: result["encoders"][name]["training"] for name in _ENCODERS}
    run, longer = runs["joint"], runs["longer"]
    minutes = {name: f"{each['seconds'] / 60:.0f}" for name, each in runs.items()}
    return [
        f"The small network (10 layers, width 32) on {run['run']['data']}; no GPU was at hand. Two encoders share "
        f"{run['epochs'] - run['joint_epochs']} epochs of the contrast alone; then one goes on with it and one learns "
        f"contrast and tree together, {run['joint_epochs']} epochs more: these two are to be compared. The third goes "
        f"on from the second for {longer['epochs'] - run['epochs']} epochs. Training took {minutes['ssl']}, "
        f"{minutes['joint']} and {minutes['longer']} minutes, on one thread beside other work. The heads are fitted to "
        f"{result['sample']:,} training latents, {result['seeds']} seeds; trees are over the 10,000 test images. "
        "`python -m benchmarks.cifar100_train`, then `python -m benchmarks.cifar100`.",
        *(["", f"*Of this run:* {result['note']}"] if "note" in result else []),
    ]


def _features(result: dict[str, Any]) -> list[str]:
    chance = {"mahp_250": result["random"]["mahp"]}
    return [
        "| encoder |" + "".join(f" {title} |" for _, title in _FEATURES),
        "|---|" + "---:|" * len(_FEATURES),
        *(
            f"| {title} |" + "".join(f" {result['encoders'][name]['features'][key]:.3f} |" for key, _ in _FEATURES)
            for name, title in _ENCODERS.items()
        ),
        "| chance |" + "".join(f" {chance[key]:.3f} |" if key in chance else " |" for key, _ in _FEATURES),
    ]


def _crops(result: dict[str, Any]) -> list[str]:
    """What five crops add to images encoded whole, on the same encoders."""
    if not all("whole" in each for each in result["encoders"].values()):
        return []
    lines = [
        "",
        "An image is encoded by five crops (its centre and corners, 4/5 of each side, at the size of the views). "
        "Beside it, what it gives encoded whole; both trees need no head.",
        "",
        "| encoder | images | 10-NN, superclasses | 10-NN, classes |"
        + "".join(f" {tree}: {what} |" for tree in ("Ward", "diffusion + Ward") for what in _AT_20),
        "|---|---|" + "---:|" * (2 + 2 * len(_AT_20)),
    ]
    for name, title in _ENCODERS.items():
        each = result["encoders"][name]
        for images, neighbours, trees in (
            ("whole", each["whole"], each["whole"]),
            ("crops", each["features"], each["trees"]),
        ):
            cells = [f"{neighbours[key]:.3f}" for key in ("knn10_coarse", "knn10_fine")]
            cells += [f"{100 * trees[tree][key]:.1f}" for tree in ("ward", _OF_TEST) for key in _AT_20.values()]
            lines.append(f"| {title} | {images} | {' | '.join(cells)} |")
    return lines


def _trees(result: dict[str, Any]) -> list[str]:
    lines = [
        "DP, LP, ACC, NMI in % at 20 clusters (superclasses) and at 100 (classes); DP of the whole tree; Dasgupta's "
        "cost as a share of a random tree's (lower is better).",
        "",
        "| features | tree | DP 20 | LP 20 | ACC 20 | NMI 20 | DP 100 | LP 100 | ACC 100 | NMI 100 | whole, 20 | "
        "whole, 100 | cost |",
        "|---|---|" + "---:|" * 11,
    ]
    for encoder, title in _ENCODERS.items():
        for name, scores in result["encoders"][encoder]["trees"].items():
            if isinstance(scores, dict):
                lines.append(f"| {title} | {_bold(name)} | {_row(scores)} |")
    lines.append(f"| - | random | {_row(result['random']['tree'])} |")
    for name, published in PUBLISHED.items():
        figures = " | ".join(f"{value:.1f}" for half in published for value in half)
        lines.append(f"| their own | {name} | {figures} | | | |")
    return lines


def _bold(name: str) -> str:
    return f"**{name}**" if name in (_OURS, _INDEX) else name


def _row(scores: dict[str, Any]) -> str:
    figures = [f"{100 * scores[f'{measure}_{k}']:.1f}" for k in (20, 100) for measure in MEASURES]
    whole = [f"{100 * scores[key]:.2f}" for key in ("dp_coarse", "dp_fine")]
    return " | ".join([*figures, *whole, f"{scores['cost']:.4f}"])


def _verdicts(result: dict[str, Any]) -> list[str]:
    """What won and what lost, said from the figures."""
    longer, joint, alone = (result["encoders"][name]["trees"] for name in _ENCODERS)
    lines = [
        _against_published(trees[ours], ours, title, name)
        for title, trees in (("longer", longer), ("contrast and tree", joint))
        for ours in dict.fromkeys([_OURS, *(name for name in longer if name.startswith(_INDEX))])
        for name in PUBLISHED
    ]
    for title, trees in (("longer", longer), ("contrast and tree", joint), ("contrast alone", alone)):
        for what, ours in (("Learned tree", _OURS), ("Tree of an index", _INDEX)):
            against = _difference(trees[ours], trees["ward"])
            lines.append(f"- {what} against Ward on the same features ({title}): {against}.")
    lines.append(
        f"- Contrast and tree, learned tree, against contrast alone, Ward: {_difference(joint[_OURS], alone['ward'])}."
    )
    lines.append(
        "- What the joint training adds, learned tree against learned tree: "
        f"{_difference(joint[_OURS], alone[_OURS])}; Ward against Ward: {_difference(joint['ward'], alone['ward'])}."
    )
    for title, trees in (("contrast and tree", joint), ("contrast alone", alone)):
        lines.append(
            f"- On the features of {title}, what the tree loss adds to where the head starts: "
            f"{_difference(trees[_OURS], trees[_OURS + ', without the tree loss'])}"
            + (
                f"; what the diffusion adds: {_difference(trees[_OURS], trees[_OURS + ', without diffusion'])}."
                if _OURS + ", without diffusion" in trees
                else "."
            )
        )
    named = [name for name in longer if isinstance(longer[name], dict)]
    best = max(named, key=lambda name: float(longer[name]["dp_coarse"]))
    lines.append(f"- The purest whole tree on the features trained longer (superclasses) is *{best}*.")
    for name in longer:
        if name.startswith("chosen without labels"):
            picks = [" with ".join(pick) for pick in longer[name]]
            what = name.replace("chosen without labels", "Head and decoding that were chosen without labels")
            lines.append(f"- {what}, by seed: {', '.join(picks)}.")
    return lines


def _against_published(ours: dict[str, Any], what: str, features: str, name: str) -> str:
    pairs = [
        (f"{measure.upper()} {k}", 100 * ours[f"{measure}_{k}"], value)
        for k, half in zip((20, 100), PUBLISHED[name], strict=True)
        for measure, value in zip(MEASURES, half, strict=True)
    ]
    below = [f"{title} ({mine:.1f} to {theirs:.1f})" for title, mine, theirs in pairs if mine <= theirs]
    verdict = "above in all eight" if not below else f"not above in {', '.join(below)}"
    return f"- *{what}* on the features *{features}*, against {name}: {verdict}."


def _difference(a: dict[str, Any], b: dict[str, Any]) -> str:
    keys = {"dp_coarse": "DP", "acc_20": "ACC 20", "nmi_20": "NMI 20", "nmi_100": "NMI 100"}
    return ", ".join(f"{title} {100 * (a[key] - b[key]):+.2f}" for key, title in keys.items())


def _ablation(result: dict[str, Any]) -> list[str]:
    rows = result["ablation"]
    training = rows[-1]["training"]
    kept = f"Measured on {result['ablation_of']}, images encoded whole. " if "ablation_of" in result else ""
    return [
        f"{kept}All from the same {training['epochs'] - training['joint_epochs']} epochs of the contrast; "
        f"{training['joint_epochs']} epochs more on {training['run']['data']}; one seed, so that differences below "
        "half a point mean little. (lambda_ct, lambda_hc) are fixed weights of eq. 3; all but the first draw batches "
        "of anchors and neighbours. Norms and cosine are those of the two gradients at the encoder's output, before "
        "weighting.",
        "",
        "| balance | 10-NN, superclasses | 10-NN, classes | learned: DP | ACC 20 | NMI 20 | Ward: DP | ACC 20 | "
        "NMI 20 | norm ct | norm hc | cosine |",
        "|---|" + "---:|" * 11,
        *(_ablated(row) for row in rows),
    ]


def _ablated(row: dict[str, Any]) -> str:
    scores = [
        f"{100 * row[tree][key]:.2f}" for tree in ("learned", "ward") for key in ("dp_coarse", "acc_20", "nmi_20")
    ]
    training = row["training"]
    norms = [f"{training[key]:.2g}" if key in training else "" for key in ("contrast_norm", "tree_norm", "cosine")]
    return f"| {row['balance']} | {row['knn10_coarse']:.3f} | {row['knn10_fine']:.3f} | {' | '.join(scores + norms)} |"


def _figure(result: dict[str, Any]) -> list[str]:
    figure = result["figure4"]
    return [
        f"64 test images of 16 classes ({', '.join(figure['classes'])}) in 4 superclasses, drawn by lot. Purity of "
        f"the tree: {figure['purity_superclasses']:.3f} by superclass (chance {figure['chance_superclasses']:.3f}), "
        f"{figure['purity_classes']:.3f} by class (chance {figure['chance_classes']:.3f}).",
        "",
        f"![64 images in the learned tree]({figure['picture'].removeprefix('docs/')})",
    ]
