"""Pictures of the explorer page for the README and the docs, from a real browser over a learned index.

    python -m tests.explorer_pictures --out docs/pictures [--index my.index --images folder --ask ID --name explorer]

Without ``--index`` it learns one from scikit-learn's digits first, in some minutes.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from hierindex import BuildConfig, HierIndex
from hierindex.index.config import IndexConfig
from hierindex.server.config import ServerConfig
from tests.explorer_browser import SIZE, browser, png_folder, served, visiting

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def main() -> None:
    """Draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--index", type=Path, default=None)
    parser.add_argument("--images", type=Path, default=None)
    parser.add_argument("--ask", default="17", help="the id of the point to search by")
    parser.add_argument("--name", default="explorer", help="what the files' names begin with")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, browser() as chromium:
        images = args.images if args.index else png_folder(Path(scratch) / "digits", digits())
        index = HierIndex.open(args.index) if args.index else learned()
        with served(index, ServerConfig(images=images)) as address:
            draw(chromium, address, args.ask, args.out / args.name)


def digits() -> np.ndarray:
    """The digits of scikit-learn, ``(1797, 8, 8)`` uint8."""
    return np.round(load_digits().images * (255 / 16)).astype(np.uint8)


def learned() -> HierIndex:
    """An index of them that searches through its leaves, as larger ones do."""
    return HierIndex.build(digits(), config=BuildConfig(index=IndexConfig(flat_below=500)))


def draw(chromium, address: str, ask: str, stem: Path) -> None:
    """The tree, a branch, a search; by day, by night and on a phone."""
    with visiting(chromium, address, color_scheme="dark") as guest:
        guest.ready()
        child = guest.app("app.forest.get(app.forest.root).children[0]")
        guest.app("app.select(a)", guest.app("app.forest.get(a).children[0]", child))
        save(guest, stem)
    for scheme, name, options in (("dark", "search", {}), ("light", "light", {}), ("dark", "phone", PHONE)):
        with visiting(chromium, address, color_scheme=scheme, **{"viewport": SIZE} | options) as guest:
            guest.ready()
            guest.app("app.searchId(a)", ask)
            guest.page.evaluate("document.activeElement.blur()")
            save(guest, stem.with_name(f"{stem.name}-{name}"))


def save(guest, path: Path) -> None:
    """What is seen once all pictures are there."""
    guest.page.wait_for_load_state("networkidle")
    guest.still()
    shot = Image.open(io.BytesIO(guest.page.screenshot())).convert("RGB")
    shot.save(path.with_name(f"{path.name}.png"), optimize=True)


if __name__ == "__main__":
    main()
