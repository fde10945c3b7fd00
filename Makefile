# make demo    set up, then watch images become a tree and an index (IMAGES=folder for your own; OUT=where pictures go)
# make test    set up, then every check and every test
# make package  wheel and sdist in dist/
# make docs    the documentation as a site, in build/site
# make bench   the measurements behind the README's numbers (needs ../shared/data), and its tables from them
# make pictures  the README's pictures, drawn by the demo and by the explorer in a browser

PYTHON ?= python3
VENV   ?= .venv
OUT    ?= demo-out
WORK   ?= bench-work
RUN    := $(VENV)/bin/python
READY  := $(VENV)/.ready

.PHONY: demo test check docs bench readme pictures package clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hierindex needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)

demo: $(READY)
	$(RUN) -m hierindex demo $(if $(IMAGES),'$(IMAGES)') --out $(OUT)

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# Two workers with one thread each: torch and FAISS in one process would otherwise fight over the same cores.
test: check
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist worksteal tests hierindex

bench: $(READY)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(RUN) -m benchmarks.first_cifar100
	$(RUN) -m benchmarks.cifar100_train --work $(WORK)
	$(RUN) -m benchmarks.cifar100 --work $(WORK)
	for seed in 1 2; do $(RUN) -m benchmarks.cifar100_train --work $(WORK)/seed-$$seed --seed $$seed --only ssl joint longer || exit 1; done
	$(RUN) -m benchmarks.cifar100_seeds --work $(WORK)/seed-1 $(WORK)/seed-2
	for name in uci bbbc013 imbalanced selection tree_time training leads; do $(RUN) -m benchmarks.$$name || exit 1; done
	$(RUN) -m benchmarks.search --data bigann10k sift1m glove-like --cache $(WORK)/search
	$(RUN) -m benchmarks.search --data cifar-latents --cache $(WORK)/search --encoder $(WORK)/joint.safetensors
	$(RUN) -m benchmarks.search --data sift1m --growth 10000 100000 1000000 --cache $(WORK)/search
	$(RUN) -m benchmarks.search_leads --data sift1m cifar-latents --cache $(WORK)/search --rows 200000
	$(RUN) -m benchmarks.leaf_kinds --cache $(WORK)/search
	$(RUN) -m benchmarks.steps --data sift1m glove-like --cache $(WORK)/search
	$(RUN) -m benchmarks.small_sets --cache $(WORK)/search
	$(RUN) -m benchmarks.leaves --data sift1m glove-like cifar-latents --cache $(WORK)/search
	$(RUN) -m benchmarks.memory --data sift1m --cache $(WORK)/search
	$(RUN) -m benchmarks.filters --folder $(WORK)/search
	for what in speed crash long soak; do $(RUN) -m benchmarks.updates $$what || exit 1; done
	$(RUN) -m benchmarks.updates drift --cache $(WORK)/search
	$(RUN) -m benchmarks.serving --data bigann10k sift1m --cache $(WORK)/search
	$(RUN) -m benchmarks.cluster --cache $(WORK)/search
	$(RUN) -m benchmarks.scale_model --cache $(WORK)/search
	$(RUN) -m benchmarks.recommender
	$(RUN) -m benchmarks.search_plots
	$(RUN) -m benchmarks.readme
	$(RUN) -m benchmarks.results_page

pictures: demo
	mkdir -p docs/pictures
	cp $(OUT)/disk.png docs/pictures/digits-disk.png
	cp $(OUT)/dendrogram.png docs/pictures/digits-dendrogram.png
	$(RUN) -m tests.explorer_pictures --out docs/pictures

# wheel and sdist in dist/; tests/test_package.py builds them too and uses the wheel in a clean environment
package: $(READY)
	$(RUN) -m hatchling build -d dist

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo "build/site/index.html   (to search in it: $(RUN) -m http.server -d build/site)"

readme: $(READY)
	$(RUN) -m benchmarks.readme
	$(RUN) -m benchmarks.results_page

clean:
	rm -rf $(VENV) demo-out build dist .mypy_cache .ruff_cache .import_linter_cache
