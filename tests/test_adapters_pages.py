"""The pages on adapters and on coming from other libraries: their code runs, in order, as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BRIEF = """
from dataclasses import fields
from hierindex.learning.config import HeadConfig
HeadConfig.__init__.__defaults__ = tuple(20 if f.name == "steps" else f.default for f in fields(HeadConfig))
assert HeadConfig().steps == 20
"""
"""Learning is short here: what a page says does not hang on how good the tree is."""

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("how-to/adapters.md", ["(599, 2)", "page_content='Kind of Blue'", "page_content='Revolver'", "price"]),
        ("coming-from.md", ["498", "[["]),
    ],
)
def test_the_code_of_a_page_runs(page, says, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert len(blocks) > 3
    command = [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", "\n".join([BRIEF, *blocks])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for words in says:
        assert words in done.stdout
