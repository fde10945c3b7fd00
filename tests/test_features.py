"""The table of features: every yes of ours names a test that is there, and the README says nothing else."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "features.md").read_text()
README = (ROOT / "README.md").read_text()


def tables(text):
    """The rows of each table, as mappings by the heads of the columns; the first column is called ''."""
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        heads, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        yield [dict(zip(heads, row, strict=True)) for row in rows]


FEATURES = [row for table in tables(PAGE) for row in table]


@cache
def defined_in(file):
    """The test functions and classes of a file, and its state machines, which pytest runs as test cases."""
    tree = ast.parse((ROOT / "tests" / file).read_text())
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return {name for name in defined | assigned if name.startswith(("test_", "Test"))}


def test_the_page_has_what_the_readme_promises():
    assert len(FEATURES) > 30
    assert len({row[""] for row in FEATURES}) == len(FEATURES)
    assert any(row["hierindex"].startswith("no") for row in FEATURES)


@pytest.mark.parametrize("row", FEATURES, ids=lambda row: row[""])
def test_every_yes_of_ours_has_its_test_and_no_has_none(row):
    said = row["hierindex"].partition(",")[0].partition(":")[0].partition(" ")[0]
    assert said in ("yes", "no", "none")
    if said != "yes":
        assert row["our test"] == ""
        return
    file, _, name = row["our test"].strip("`").partition("::")
    assert defined_in(file)
    assert not name or name in defined_in(file)


def test_the_readme_says_what_the_page_says():
    (section,) = re.findall(r"^## Beside other libraries\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    (rows,) = tables(section)
    by_name = {row[""]: row for row in FEATURES}
    for row in rows:
        assert row == {head: by_name[row[""]][head] for head in row}
    assert "[`docs/features.md`](docs/features.md)" in section
