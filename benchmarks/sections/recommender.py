"""The recommender example: hits, variety and time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["section"]

_FIGURES = ("hit_rate", "ndcg", "distance", "apart", "genres_apart", "genres", "branches")


def section(result: dict[str, Any]) -> str:
    """The section of the page of results."""
    exact, ours = result["found"][0], result["found"][2]
    gaps = [abs(ours[name] / exact[name] - 1) for name in ("hit_rate", "ndcg")]
    time, cold = result["latency"], result["cold"]
    return f"""## Recommending movies

`examples/recommender` on MovieLens: {result["users"]} users, {result["movies"]:,} movies as {result["dim"]} factors of
alternating least squares, cosine. The last view of each user is held out ({1 - result["there"]:.1%} of these are of
movies that nobody else had watched before, and cannot be found). A user asks with the {result["latest"]} movies watched
last and gets {result["k"]} that are new to them; hits are counted beside an exact search over all vectors.

{_table(result["found"], f"shared with exact | hit rate@{result['k']} | NDCG@{result['k']}", _hit)}

At the recall that is asked for by default hit rate and NDCG differ from exact search's by {max(gaps):.2%} at most
({_gap(gaps)}). Few users and few hits: the standard error of a hit rate is {_error(result, exact):.3f}.

**Variety.** A limit for branches beside maximal marginal relevance (MMR) over the nearest 100. Distance: of the answers
to what was asked with; apart: mean cosine distance of pairs of answers, and Jaccard distance of their genres; genres
and branches (of {result["cut"]}): how many an answer has.

{
        _table(
            result["found"][:1] + result["varied"],
            "hit rate | NDCG | distance | apart | genres apart | genres | branches",
            _variety,
        )
    }

{_plainly(result)}

**Time** for one user, one thread, medians, the ways by turns in one run: comparing all vectors (NumPy)
{time["exact"]:,.0f} us, the index {time["index"]:,.0f} us ({_times(time["exact"], time["index"])}), with a limit for
branches {time["limit"]:,.0f} us, MMR {time["mmr"]:,.0f} us. More like one movie: {time["one"]:,.0f} us beside
{time["exact_one"]:,.0f} us ({_times(time["exact_one"], time["one"])}). A catalogue of this size is small enough to be
compared whole; what the index adds here are filters, changes on disk and the tree.

**New movies.** {cold["movies"]} movies were taken out and folded in again from their viewers: of the ten nearest movies
{cold["folded"]:.0%} are those of a factorisation that had them from the start. Two factorisations that differ in their
seed alone share {cold["another_fit"]:.0%}; chance is {cold["chance"]:.1%}.
"""


def _table(rows: list[dict[str, Any]], columns: str, cells: Callable[[dict[str, Any]], str]) -> str:
    head = f"| | {columns} |\n|---|" + "---:|" * len(columns.split("|"))
    return "\n".join([head, *(f"| {row['how']} | {cells(row)} |" for row in rows)])


def _hit(row: dict[str, Any]) -> str:
    shared = "" if row["of_exact"] is None else f"{row['of_exact']:.3f}"
    return f"{shared} | {row['hit_rate']:.4f} | {row['ndcg']:.4f}"


def _variety(row: dict[str, Any]) -> str:
    return " | ".join(f"{row[name]:.{1 if name in ('genres', 'branches') else 3}f}" for name in _FIGURES)


def _gap(gaps: list[float]) -> str:
    return "within one per cent" if max(gaps) <= 0.01 else "more than one per cent"


def _error(result: dict[str, Any], row: dict[str, Any]) -> float:
    share = row["hit_rate"]
    return float((share * (1 - share) / result["users"]) ** 0.5)


def _times(other: float, own: float) -> str:
    return f"{other / own:.2f}x as fast" if other >= own else f"{own / other:.1f} times as long"


def _plainly(result: dict[str, Any]) -> str:
    """What the table says of the two ways: the MMR row that gives up about as many hits as each limit."""
    limits = [row for row in result["varied"] if not row["how"].startswith("MMR")]
    rivals = [row for row in result["varied"] if row["how"].startswith("MMR")]
    lost = sum(any(m["hit_rate"] >= row["hit_rate"] and m["apart"] >= row["apart"] for m in rivals) for row in limits)
    wide = max(row["branches"] for row in rivals)
    wider = sum(row["branches"] > wide for row in limits)
    return f"""Read plainly: variety costs hits, by either way. For {lost} of the {len(limits)} limits there is an
MMR that has as many hits and pairs as far apart; {wider} limits reach more branches than any MMR ({wide:.1f}
at most). MMR weighs pairs of vectors, and suits who wants pairs unlike; a limit keeps a promise (never more than so
many of a branch) and needs no pool to choose from."""
