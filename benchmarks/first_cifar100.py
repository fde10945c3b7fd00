"""The whole way on real images: 10,000 of CIFAR-100 through the command line on a CPU, everything measured.

    python -m benchmarks.first_cifar100 [--images 10000] [--queries 1000] [--seed 0] [--keep DIR]

Writes ``benchmarks/results/first-cifar100.json``: seconds of each stage; recall@10 and latency beside flat FAISS,
scanned whole as the default does at this size and routed through the leaves; dendrogram purity of the learned tree
beside Ward, average, single linkage and bisecting k-means on the very same features and on raw pixels; 10-NN accuracy;
leaf sizes.
Labels are read after everything is built.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import about, shared_data, write
from benchmarks.judging import labels_of
from benchmarks.rivals import bisecting_kmeans, linkages
from hierindex import BuildConfig, HierIndex
from hierindex.head import unit
from hierindex.index.config import IndexConfig
from hierindex.learning.sources import open_images
from hierindex.metrics import cluster_accuracy, dendrogram_purity, knn_accuracy, leaf_purity, nmi, random_tree
from hierindex.tree import Tree
from hierindex.vectors import Float32, Int64


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--keep", type=Path, default=None, help="keep the index here; used as it is if it exists")
    args = parser.parse_args()
    train, test = shared_data("cifar100", "train-0.parquet"), shared_data("cifar100", "test.parquet")
    with tempfile.TemporaryDirectory() as scratch:
        path = args.keep or Path(scratch) / "cifar100.index"
        built = build(train, path, args.images, args.seed, args.epochs)
        index = HierIndex.open(path)
        asked = pixels_of(test, args.queries)
        result = about(__file__, seed=args.seed, data=f"cifar100 train[:{args.images}], queries test[:{args.queries}]")
        result["built"] = built
        result["search"] = searched(index, asked)
        result["command_line_search"] = by_command(path, test, index, asked)
        result["trees"], result["features"] = judged(index, train, test, asked, args.seed)
        result["bigann10k"] = bigann(args.seed)
    write("first-cifar100", result)


def build(train: Path, path: Path, n: int, seed: int, epochs: int | None) -> dict[str, Any]:
    """Build by the command line; its facts, the seconds of each stage among them."""
    if not path.exists():
        words = ["build", str(train), str(path), "--limit", str(n), "--seed", str(seed), "--quiet"]
        words += [] if epochs is None else ["--epochs", str(epochs)]
        command(words)
    facts: dict[str, Any] = json.loads(command(["info", str(path), "--json"]))
    facts.pop("saved")
    return facts


def command(words: list[str]) -> str:
    """The output of one hierindex command."""
    done = subprocess.run([sys.executable, "-m", "hierindex", *words], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def by_command(path: Path, test: Path, index: HierIndex, asked: np.ndarray[Any, Any]) -> dict[str, Any]:
    """The same queries asked by the command line: seconds from start to end, and whether it finds the same ids."""
    start = time.perf_counter()
    words = ["search", str(path), str(test), "--limit", str(len(asked)), "-k", "10", "--json"]
    found = [[hit["id"] for hit in hits] for hits in json.loads(command(words))]
    seconds = time.perf_counter() - start
    same = found == index.search(asked, k=10).ids.tolist()
    return {"queries": len(found), "seconds": seconds, "same_ids_as_in_process": same}


def searched(index: HierIndex, asked: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Recall@10 and latency beside flat FAISS, by default and through the leaves; and what encoding a query costs."""
    index.encode(asked[:64])  # the first call loads torch and the encoder
    start = time.perf_counter()
    queries = index.encode(asked)
    encode_us = (time.perf_counter() - start) / len(asked) * 1e6
    routed = HierIndex.from_vectors(index.vectors(), config=BuildConfig(index=IndexConfig(flat_below=0)))
    return {
        "encode_us_a_query": encode_us,
        "default": [m.to_json() for m in index.compare_with_flat(queries)],
        "through_leaves": [m.to_json() for m in routed.compare_with_flat(queries)],
        "through_leaves_leaves": len(routed.leaf_sizes()),
    }


def judged(
    index: HierIndex, train: Path, test: Path, asked: np.ndarray[Any, Any], seed: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Trees and features beside the labels, which nothing before this function has seen."""
    n = len(index)
    coarse, fine = labels_of([train], n)
    asked_coarse, asked_fine = labels_of([test], len(asked))
    latent, raw = index.vectors(), flattened(pixels_of(train, n))
    features = {
        name: {
            "knn10_coarse": knn_accuracy(base, coarse, query, asked_coarse),
            "knn10_fine": knn_accuracy(base, fine, query, asked_fine),
        }
        for name, base, query in (("latent", latent, index.encode(asked)), ("pixels", raw, flattened(asked)))
    }
    trees: dict[tuple[str, str], Tree] = {("latent", "learned (InfoHier)"): index.tree}
    for name, x in (("latent", latent), ("pixels", raw)):
        trees |= {(name, kind): tree for kind, tree in linkages(x).items()}
        trees[name, "bisecting k-means"] = bisecting_kmeans(x, seed)
    trees["-", "random"] = random_tree(n, np.random.default_rng(seed))
    rows = [{"features": on, "tree": kind} | scores(tree, coarse, fine) for (on, kind), tree in trees.items()]
    return rows, features


def scores(tree: Tree, coarse: Int64, fine: Int64) -> dict[str, float]:
    """Purity of the full tree, and of its cut into as many branches as there are superclasses."""
    cut = tree.cut(20)
    return {
        "dendrogram_purity_coarse": dendrogram_purity(tree, coarse),
        "dendrogram_purity_fine": dendrogram_purity(tree, fine),
        "leaf_purity_20": leaf_purity(cut, coarse),
        "accuracy_20": cluster_accuracy(cut, coarse),
        "nmi_20": nmi(cut, coarse),
    }


def bigann(seed: int) -> dict[str, Any]:
    """Ready vectors: the BIGANN sample, whose queries are its first 100 rows; they are left out of the base."""
    folder = shared_data("ann", "bigann10k")
    base, queries = np.load(folder / "base.npy"), np.load(folder / "query.npy")
    if not np.array_equal(base[: len(queries)], queries):
        raise SystemExit("bigann10k should have its queries as its first rows; found others")
    base = base[len(queries) :]
    result: dict[str, Any] = {}
    for name, flat_below in (("default", 20_000), ("through_leaves", 0)):
        start = time.perf_counter()
        config = BuildConfig(index=IndexConfig(flat_below=flat_below, seed=seed))
        index = HierIndex.from_vectors(base, metric="l2", config=config)
        result[name] = {
            "build_seconds": time.perf_counter() - start,
            "leaves": len(index.leaf_sizes()),
            "measured": [m.to_json() for m in index.compare_with_flat(queries)],
        }
    return result


def pixels_of(path: Path, n: int) -> np.ndarray[Any, Any]:
    """The first n images ``(n, h, w, c)`` uint8."""
    return open_images(path).read(np.arange(n))


def flattened(images: np.ndarray[Any, Any]) -> Float32:
    """Raw pixels as unit rows, so that Euclidean and cosine order agree as they do for the latent vectors."""
    return unit(images.reshape(len(images), -1).astype(np.float32))


if __name__ == "__main__":
    main()
