# make demo   the main job: compute, kill the kernel, resume
# make test   every test with the newest packages; with the oldest supported ones, and on the other Pythons of this
#             machine, those that depend on them
# make lab    JupyterLab on the quickstart notebook
# make bench  the bars of the engine, of the store, of the live graph, its buttons and loops, beside their rivals (some minutes)
# make torture the store at every crash point, under 300 kills and 20,000 damages; 300 kills and 1,000 races of what happens
#             once; a training that is killed 30 times (half an hour); `make test` has a sample of each
# make check  ruff, mypy, tsc, eslint and the layer test
# What they need (Python packages, Node, a browser) they fetch themselves, the first time.

PYTHON ?= python3
VENV := .venv
OLDEST := .venv-oldest
# The ipykernel before the newest: each hands on what pages send in another way.
KERNEL := .venv-ipykernel-7.3
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check install --quiet
NODE_PATH_FIRST := PATH="$(CURDIR)/$(BIN):$$PATH"
FRONT_END := $(shell find labextension -path '*/node_modules' -prune -o -path '*/lib' -prune -o -path '*/prebuilt' -prune \
	-o -path '*/dist' -prune -o -type f -print)
OTHERS := $(shell sh tests/interpreters.sh $(PYTHON))
NEWEST_OTHER := $(lastword $(OTHERS))
# What reads their bytecode, saves their objects and runs in their threads and processes; loops go on by their bytecode.
ON_PYTHON := tests/analysis tests/engine tests/executors $(wildcard tests/checkpoint/test_serializer*.py)
LOOPS := tests/notebook/test_track.py
MAIN_JOB := tests/fidelity $(addprefix tests/notebook/test_,cells.py resume.py kill_each.py)
# What depends on other packages: the rest is the same on the oldest.
ON_PACKAGES := tests/analysis tests/widget tests/engine/test_telemetry.py $(wildcard tests/checkpoint/test_serializer*.py) \
	$(MAIN_JOB) $(LOOPS) $(addprefix tests/notebook/test_,ambient.py auto.py background.py capture.py pause.py \
	process_state.py requests.py)
# No test needs the network once everything is installed.
PYTEST := -m pytest --quiet -p no:cacheprovider
BOTH_CORES := -n 2 --dist worksteal

.PHONY: demo test test-newest test-oldest test-others lab bench torture check clean

demo: $(VENV)/.python
	$(BIN)/python notebooks/demo.py

test: check test-newest test-oldest test-others

test-newest: $(VENV)/.front-end $(VENV)/.browser
	$(BIN)/python $(PYTEST) $(BOTH_CORES) -m "not browser" tests
	$(BIN)/python $(PYTEST) $(BOTH_CORES) -m browser tests

test-oldest: $(OLDEST)/.python $(VENV)/.browser
	PYTHONPATH="$(CURDIR)/kernel_lib" $(OLDEST)/bin/python $(PYTEST) $(BOTH_CORES) -k "not without_marks" $(ON_PACKAGES)
	PYTHONPATH="$(CURDIR)/kernel_lib" $(OLDEST)/bin/python $(PYTEST) $(BOTH_CORES) -m browser tests/browser/test_main_job.py

test-others: $(OTHERS:%=.venv-%/.tested)

check: $(VENV)/.front-end
	$(BIN)/ruff check kernel_lib tests notebooks/demo.py
	$(BIN)/ruff format --check --quiet kernel_lib tests notebooks/demo.py
	$(BIN)/mypy
	$(BIN)/python $(PYTEST) tests/test_layers.py
	cd labextension && $(NODE_PATH_FIRST) jlpm check && $(NODE_PATH_FIRST) jlpm lint

lab: $(VENV)/.front-end
	$(BIN)/jupyter lab --notebook-dir=notebooks notebooks/01-quickstart.ipynb

bench: $(VENV)/.front-end $(VENV)/.browser $(OLDEST)/.python $(KERNEL)/.python
	$(BIN)/python tests/benchmarks/engine.py
	$(BIN)/python tests/benchmarks/store.py
	$(BIN)/python tests/benchmarks/auto.py
	$(BIN)/python tests/benchmarks/face.py
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python tests/benchmarks/track.py
	$(BIN)/python tests/benchmarks/pausing.py
	$(BIN)/python tests/benchmarks/buttons.py $(foreach one,$(VENV) $(KERNEL) $(OLDEST),--python $(one)/bin/python)

# Everything that `make test` samples.
torture: $(VENV)/.python
	MILEPOST_TEST_CRASHES=all MILEPOST_TEST_KILLS=300 MILEPOST_TEST_DAMAGES=20000 MILEPOST_TEST_RACES=1000 \
		MILEPOST_TEST_TRACK_KILLS=30 $(BIN)/python $(PYTEST) $(BOTH_CORES) tests/notebook/test_track_killed.py \
		$(addprefix tests/checkpoint/test_,crashes.py killed.py corruption.py once.py payments.py racing.py)

# The newest packages, and Milepost itself in place, so that an edit needs no new install.
$(VENV)/.python: pyproject.toml
	sh tests/make-venv.sh $(PYTHON) $(VENV)
	$(BIN)/python $(PIP) hatchling hatch-jupyter-builder
	SKIP_JUPYTER_BUILDER=1 $(BIN)/python $(PIP) --no-build-isolation --editable '.[test]'
	touch $@

$(VENV)/.front-end: $(VENV)/.python $(FRONT_END)
	cd labextension && $(NODE_PATH_FIRST) jlpm install --immutable && $(NODE_PATH_FIRST) jlpm build
	rm -rf $(VENV)/share/jupyter/labextensions/milepost
	ln -s "$(CURDIR)/labextension/prebuilt" $(VENV)/share/jupyter/labextensions/milepost
	mkdir -p $(VENV)/etc/jupyter/jupyter_server_config.d
	cp labextension/server.json $(VENV)/etc/jupyter/jupyter_server_config.d/milepost.json
	touch $@

# The oldest supported packages, and Milepost installed as a user would, front end and all.
$(OLDEST)/.python: pyproject.toml tests/oldest.txt $(VENV)/.front-end
	sh tests/make-venv.sh $(PYTHON) $(OLDEST)
	$(OLDEST)/bin/python $(PIP) --constraint tests/oldest.txt '.[oldest]'
	touch $@

$(KERNEL)/.python: pyproject.toml
	sh tests/make-venv.sh $(PYTHON) $(KERNEL)
	$(KERNEL)/bin/python $(PIP) hatchling hatch-jupyter-builder
	SKIP_JUPYTER_BUILDER=1 $(KERNEL)/bin/python $(PIP) --no-build-isolation --editable . 'ipykernel==7.3.*' numpy
	touch $@

.venv-%/.python: pyproject.toml
	sh tests/make-venv.sh $(shell sh tests/interpreters.sh --path $*) .venv-$*
	.venv-$*/bin/python $(PIP) hatchling hatch-jupyter-builder
	SKIP_JUPYTER_BUILDER=1 .venv-$*/bin/python $(PIP) --no-build-isolation --editable '.[other]'
	touch $@

.PHONY: $(OTHERS:%=.venv-%/.tested)
$(OTHERS:%=.venv-%/.tested): .venv-%/.tested: .venv-%/.python
	.venv-$*/bin/python $(PYTEST) $(BOTH_CORES) -m "not browser and not torture and not slow" $(ON_PYTHON)
	.venv-$*/bin/python $(PYTEST) $(BOTH_CORES) -k "not without_marks" $(LOOPS) $(if $(filter $*,$(NEWEST_OTHER)),$(MAIN_JOB))

$(VENV)/.browser: $(VENV)/.python
	sh tests/get-browser.sh
	touch $@

clean:
	rm -rf .venv* labextension/lib labextension/prebuilt/static labextension/prebuilt/package.json
