# skyreels-tui: every target sets up .venv once and reuses it.
#   make run     open the application
#   make demo    make one clip of each task with the built-in tiny models, without a terminal
#   make check   lint, types, import contracts and the quick tests, in under a minute
#   make test    lint, types, import contracts, every test but the slow ones, in under ten minutes
#   make test-long   the slow tests: grids, stress, kills; and the quick ones again as on somebody else's machine
#   make release-check   say what keeps this commit from being released
#   make translations   bring the catalogues up to the sentences in the code, then compile them
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.ready-run
TEST_STAMP := $(VENV)/.ready-test
# Hidden packages and questions slow a first start; wheels alone keep it reproducible.
# An NVIDIA driver means that the GPU's own attention kernels are worth their download.
EXTRAS := $(if $(wildcard /proc/driver/nvidia/version),[gpu],)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run demo check test test-long lint types contracts tests slow-tests elsewhere torture screenshots recording translations release-check clean

run: $(RUN_STAMP)
	@$(BIN)/skyreels-tui

demo: $(RUN_STAMP)
	@$(BIN)/skyreels-tui demo

test: lint types contracts tests

test-long: slow-tests elsewhere

# mypy and ruff keep what they know: only what has changed is read again.
check: lint types contracts $(TEST_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m quick

lint: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(TEST_STAMP)
	$(BIN)/mypy
	$(BIN)/mypy scripts/*.py

contracts: $(TEST_STAMP)
	$(BIN)/lint-imports

# Half of a test's time is waiting: for a screen to settle, a program to start, a lock to be given back.
tests: $(TEST_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 5 --dist worksteal -m 'not slow'

slow-tests: $(TEST_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 4 --dist worksteal -m slow

# What fails on another's machine and not here: the quick tests under another home, language, zone, terminal and order.
elsewhere: $(TEST_STAMP)
	$(BIN)/python scripts/environments.py --marks quick "somebody else's machine"

torture: $(TEST_STAMP)
	$(BIN)/python -m tests.queue.torture
	SKYREELS_TORTURE=1 $(BIN)/pytest -n 0 -s tests/queue/test_every_fault.py tests/ui/test_sizes.py \
		tests/ui/test_broken_media.py tests/cli/test_lost_output.py

screenshots: $(TEST_STAMP)
	$(BIN)/python scripts/screenshots.py

recording: $(TEST_STAMP)
	$(BIN)/python scripts/recording.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "skyreels-tui needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'

$(RUN_STAMP): pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.$(EXTRAS)'
	@touch $@

$(TEST_STAMP): $(RUN_STAMP)
	$(BIN)/pip install --quiet --constraint constraints.txt --group dev
	@touch $@

# The cheap answers first; nothing here changes the repository. A clone is built: beside sources that were built before,
# modules that are gone since would come along.
release-check: $(TEST_STAMP)
	$(BIN)/python scripts/check_release.py
	$(BIN)/python scripts/check_wheels.py
	$(BIN)/python scripts/check_install.py
	$(MAKE) test test-long
	out=$$(mktemp -d) && git clone --quiet . "$$out/source" && cd "$$out/source" && \
		"$(CURDIR)/$(BIN)/pip" wheel --quiet --no-deps --wheel-dir "$$out" . && \
		"$(CURDIR)/$(BIN)/python" -c 'import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])' "$$out" > /dev/null && \
		rm -rf "$$out/source" && ls "$$out"

CATALOGUES := -D skyreels-tui -d pipelines/front/locale
TEMPLATE := $(VENV)/skyreels-tui.pot

# Places are named by file alone and kept in the files' order, so that a moved line changes no catalogue.
translations: $(TEST_STAMP)
	$(BIN)/pybabel --quiet extract --no-default-keywords --keyword tr --keyword trn:1,2 --keyword mark --keyword mark_plural:1,2 \
		--add-location=file --sort-by-file --width 120 --project skyreels-tui --output $(TEMPLATE) skyreels_tui pipelines
	$(BIN)/pybabel --quiet update $(CATALOGUES) --input-file $(TEMPLATE) --ignore-pot-creation-date \
		--no-fuzzy-matching --ignore-obsolete --width 120
	$(BIN)/pybabel --quiet compile $(CATALOGUES)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
