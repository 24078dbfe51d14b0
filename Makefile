# From a bare checkout: `make run` serves, `make test` proves, `make check` reads.
#
# Everything lives in .venv, which is made from constraints.txt (names, versions, hashes) and is remade when that
# file or pyproject.toml changes. A Python of 3.11 or newer is looked for; PYTHON= names another.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
ARGS ?=
BIN := .venv/bin
STAMP := .venv/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: run test check simulate planted record fairness auctions draw-in-browser clean browser lock

run: $(STAMP)
	@exec $(BIN)/stanchion up $(ARGS)

# The pure packages first, with every branch covered, then all the rest (the simulator, which nothing need trace, too):
# four at a time, since most of these wait, and in their order, which has the long ones early.
test: $(STAMP) browser
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -q -n 2 --dist worksteal tests/protocol tests/engine \
		--ignore=tests/engine/simulation
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report --fail-under=100 \
		--include='protocol/*,engine/core/*,engine/distributions/*'
	$(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder --ignore=tests/protocol --ignore=tests/engine/recorded \
		--ignore-glob='tests/engine/test_*.py' $(ARGS)

check: $(STAMP)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

# SEEDS= how many, FIRST= the first of them; SEED= one alone with its log, SHRINK=1 for its shortest form.
SEEDS ?= 1000
FIRST ?= 0
simulate: $(STAMP)
	$(BIN)/python -m tests.engine.simulation.seeds $(if $(SEED),--seed $(SEED) $(if $(SHRINK),--shrink),\
		--seeds $(SEEDS) --first $(FIRST))

# Plants bugs in a copy of the tree, one after another, and shows which check of the simulator catches each.
planted: $(STAMP)
	$(BIN)/python -m tests.engine.simulation.planted $(ARGS)

# 20,000 draws of each population against the exact probabilities, p-values shown, then with a planted bias.
fairness: $(STAMP)
	$(BIN)/python -m tests.protocol.fairness $(ARGS)

# Writes down a log of this version of the rules, once, to be replayed by the tests for ever.
record: $(STAMP)
	$(BIN)/python -m tests.engine.recorded.recording

# The check of a draw of a million in Chromium: its answer and its seconds.
draw-in-browser: $(STAMP) browser
	$(BIN)/python -m tests.browser.draw_speed $(ARGS)

# 10,000 random auctions against a naive model that knows only the list of bids; --count and --first in ARGS.
auctions: $(STAMP)
	$(BIN)/python -m tests.engine.auctions $(ARGS)

browser: $(STAMP)
	@sh deploy/install_chromium.sh

clean:
	rm -rf .venv dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/browser/screenshots
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Needs uv; writes the versions anew from the ranges of pyproject.toml.
lock:
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --upgrade \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate -o constraints.txt

$(STAMP): constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "stanchion needs Python 3.11 or newer; name one with PYTHON=" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
