"""What is shipped: the wheel and the sdist, built here and used in an environment that has nothing else.

The clean environment is a new venv into which pip installs the wheel, and into which the packages that the wheel's own
metadata asks for (and theirs, and no others) are linked from this one: what is not declared is not there. So nothing is
fetched, and it takes seconds.
"""

import ast
import json
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hierindex

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
SOURCES = sorted(path for path in (ROOT / "hierindex").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
OURS = {"": PYPROJECT["project"]["dependencies"], **EXTRAS}
FOR_DEVELOPERS = {"bench", "docs", "dev"}
ROOMS_OF_EXTRAS = (
    "hierindex.adapters.langchain",
    "hierindex.adapters.sklearn",
    "hierindex.cluster",
    "hierindex.server",
)
"""What may only be imported with an extra; everything else has to import without."""


def run(*command, cwd=None):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(source, folder):
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=source)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pytest.importorskip("hatchling", reason="builds the package; comes with the extra 'dev'")
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def closure(requirements):
    """The distributions that these requirements ask for, theirs included; an extra of one is followed."""
    asked, found = [Requirement(text) for text in requirements], {}
    while asked:
        wanted = asked.pop()
        name = canonicalize_name(wanted.name)
        new = {"", *wanted.extras} - found.get(name, set())
        if not new:
            continue
        found[name] = found.get(name, set()) | new
        if name == "hierindex":  # as pyproject.toml has it now, not as it was when this was installed
            asked += [Requirement(text) for extra in new for text in OURS[extra]]
            continue
        for text in metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in new):
                asked.append(needed)
    return sorted(found)


@pytest.fixture(scope="module")
def clean(built, tmp_path_factory):
    """The Python of an environment with the wheel and what it declares."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, "install", "--quiet"]
    run(*pip, "--no-deps", "--no-index", built[0])
    with zipfile.ZipFile(built[0]) as wheel:
        (about,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        declared = metadata.PathDistribution(zipfile.Path(wheel, about.rpartition("/")[0] + "/")).requires
    for name in closure([text for text in declared if "extra ==" not in text]):
        own = metadata.distribution(name)
        for top in {path.parts[0] for path in own.files if ".." not in path.parts}:
            if not (site / top).exists() and own.locate_file(top).exists():
                (site / top).symlink_to(own.locate_file(top))
    return python


# ---- what is in them


def test_the_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = wheel.namelist()
        assert wheel.testzip() is None
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == {path.relative_to(ROOT).as_posix() for path in SOURCES}
    assert {"hierindex/py.typed", "hierindex/server/page/static/index.html"} <= inside
    about = f"hierindex-{hierindex.__version__}.dist-info"
    assert {f"{about}/licenses/LICENSE", f"{about}/entry_points.txt"} <= set(names)


def test_the_sdist_is_enough_to_build_the_same_wheel(built, tmp_path):
    with tarfile.open(built[1]) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
        archive.extractall(tmp_path, filter="data")
    assert {name.partition("/")[0] for name in names} == {
        *("hierindex", "CHANGELOG.md", "LICENSE", "README.md", "constraints.txt", "pyproject.toml"),
        *(".gitignore", "PKG-INFO"),  # hatchling's own
    }
    (source,) = tmp_path.iterdir()
    (tmp_path / "again").mkdir()
    wheel, _ = build(source, tmp_path / "again")
    with zipfile.ZipFile(wheel) as again, zipfile.ZipFile(built[0]) as first:
        assert {i.filename: i.CRC for i in again.infolist()} == {i.filename: i.CRC for i in first.infolist()}


# ---- what they do in a clean environment

IMPORTED = """
import importlib, json, pkgutil, sys
import numpy as np
import hierindex

lacking = {}
for module in pkgutil.walk_packages(hierindex.__path__, "hierindex.", onerror=lambda name: None):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        lacking[module.name] = [type(error).__name__, (error.__cause__ or error).name, str(error)]

from hierindex import BuildConfig, HierIndex
from hierindex.learning.config import HeadConfig, LearnConfig

x = np.random.default_rng(0).normal(size=(300, 16)).astype("float32")
quick = BuildConfig(learn=LearnConfig(head=HeadConfig(steps=5)))
names = [f"i{n}" for n in range(300)]
index = HierIndex.from_vectors(x, ids=names, payload={"n": np.arange(300)}, config=quick, path=sys.argv[1])
index.add(x[:1] + 0.01, ids=["new"], payload={"n": [300]})
ids = index.search(x[0], k=2).ids[0].tolist()
print(json.dumps({"lacking": lacking, "where": hierindex.__file__, "ids": ids}))
"""

OPENED = """
import json, sys
from hierindex import HierIndex

index = HierIndex.open(sys.argv[1])
ids = index.search(index.vectors(["i0"]), k=2).ids[0].tolist()
print(json.dumps({"ids": ids, "torch": "torch" in sys.modules}))
"""


@pytest.fixture(scope="module")
def first_use(clean, tmp_path_factory):
    folder = tmp_path_factory.mktemp("use")
    return folder, json.loads(run(clean, "-I", "-c", IMPORTED, folder / "x.index", cwd=folder))


def test_it_is_installed_and_used(clean, first_use):
    folder, told = first_use
    assert told["where"].startswith(str(clean.parent.parent))
    again = json.loads(run(clean, "-I", "-c", OPENED, folder / "x.index", cwd=folder))
    assert told["ids"] == again["ids"] == ["i0", "new"]
    assert not again["torch"]  # opening and searching never load it
    command = clean.parent / "hierindex"
    assert json.loads(run(command, "info", folder / "x.index", "--json"))["points"] == 301


def test_all_modules_import_with_what_is_declared(first_use):
    """But for those of an extra, and what they lack is what an extra brings."""
    lacking = first_use[1]["lacking"]
    assert {name for name in lacking if not name.startswith(ROOMS_OF_EXTRAS)} == set()
    dists, brought = metadata.packages_distributions(), set(closure(EXTRAS["all"]))
    for name, (_, missing, _) in lacking.items():
        assert {canonicalize_name(dist) for dist in dists[missing.partition(".")[0]]} & brought, name
    for extra in ("langchain", "sklearn"):
        kind, _, message = lacking[f"hierindex.adapters.{extra}"]
        assert kind == "MissingExtraError"
        assert f"pip install 'hierindex[{extra}]'" in message


# ---- how little an import loads


def loaded(code):
    """The top-level modules that some code loads beyond Python's own."""
    told = run(
        sys.executable, "-c", f"import sys; before = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    )
    return {name.partition(".")[0] for name in told.split()} - sys.stdlib_module_names


def test_importing_the_package_loads_nothing_but_itself():
    assert loaded("import hierindex") == {"hierindex"}


def test_torch_is_not_loaded_before_something_is_learned():
    own = loaded("from hierindex import HierIndex, BuildConfig, Hits, Ranges, Tree, HierIndexError")
    assert "faiss" in own
    heavy = {
        "torch",
        "torchvision",
        "geoopt",
        "pandas",
        "polars",
        "datasets",
        "sklearn",
        "matplotlib",
        "ray",
        "fastapi",
    }
    assert not own & heavy
    assert not loaded("import hierindex.adapters.faiss, hierindex.adapters.frames, hierindex.cli") & heavy
    assert not loaded("import hierindex.adapters.sklearn") & (heavy - {"sklearn", "pandas"})  # sklearn may look for it


# ---- what the metadata say


def names_of(requirements):
    return {canonicalize_name(Requirement(text).name) for text in requirements} - {"hierindex"}


def extras_in(requirements):
    return set().union(*(Requirement(text).extras for text in requirements if text.startswith("hierindex[")), set())


def test_all_is_every_extra_but_those_for_developers():
    assert extras_in(EXTRAS["all"]) == set(EXTRAS) - {"all"} - FOR_DEVELOPERS
    assert not names_of(EXTRAS["all"])


def test_the_developers_extra_brings_all_that_tests_need():
    assert extras_in(EXTRAS["dev"]) <= set(EXTRAS)
    have = set(closure(EXTRAS["dev"]))
    for extra in set(EXTRAS) - {"dev", "bench"}:
        assert names_of(EXTRAS[extra]) <= have, extra


def test_every_dependency_has_a_tested_version_and_a_reason():
    declared = set().union(*map(names_of, OURS.values()))
    pins = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line[:1] not in "#"]
    assert declared <= {canonicalize_name(pin.name) for pin in pins}
    reasons = (ROOT / "docs" / "dependencies.md").read_text().lower()
    assert {name for name in declared if name not in reasons.replace("_", "-")} == set()
    for extra in set(EXTRAS) - {"all"}:
        assert f"| `{extra}` |" in reasons
    by_name = {canonicalize_name(pin.name): pin for pin in pins}
    for text in (text for each in OURS.values() for text in each):
        needed = Requirement(text)
        if needed.name != "hierindex":
            (version,) = (part.version for part in by_name[canonicalize_name(needed.name)].specifier)
            assert needed.specifier.contains(version), text


def test_every_extra_that_an_error_names_exists():
    named = set()
    for path in SOURCES:
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "need":
                    named.add(node.args[1].value)
            named |= set(re.findall(r"pip install 'hierindex\[(\w+)\]'", path.read_text()))
    assert {"plots", "sklearn", "cloud"} <= named <= set(EXTRAS)


def test_only_what_was_tested_is_declared():
    classifiers = PYPROJECT["project"]["classifiers"]
    pythons = [line.rpartition(" ")[2] for line in classifiers if re.search(r":: 3\.\d+$", line)]
    assert pythons[0] == PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in pythons
    assert PYPROJECT["project"]["scripts"] == {"hierindex": "hierindex.cli:main"}
