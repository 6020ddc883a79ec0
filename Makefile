# Needs Python 3.10 or newer and make, nothing else.
#   make demo       reenact the bundled source with the bundled driving clip; prints where the video lies
#   make test       all tests; `make test-fast` leaves out the slow ones and needs no ComfyUI
#   make lint       style checks
#   make audit      compares the versions of constraints.txt with published advisories; needs the network
#   make comfyui    a real ComfyUI for tests, in .comfyui (2.5 GB; `make test` calls it); `make test-comfyui` its tests alone
#   make workflows  writes the templates of workflows/ from tests/comfyui/workflow_sources; needs Chromium
# Your own ComfyUI serves as well: COMFYUI_DIR=/path/to/ComfyUI COMFYUI_PYTHON=/path/to/its/python make test
PYTHON ?= python3
VENV ?= .venv
PIP_INSTALL = $(VENV)/bin/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

# Tiny networks on shared cores: one OpenMP thread can be ten times faster than two.
TEST_THREADS ?= 1
# Two processes share two cores well: each waits for servers, browsers and subprocesses half of the time. Tests that share
# what is costly to start stay together, see tests/conftest.py.
TEST_PROCESSES ?= 2
PYTEST = OMP_NUM_THREADS=$(TEST_THREADS) $(VENV)/bin/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

# With a ComfyUI of your own nothing is installed.
COMFYUI_STAMP = $(if $(COMFYUI_DIR),,.comfyui/installed)

# A place of its own: the auditor's dependencies are no business of ours.
AUDIT = $(VENV)/audit

.PHONY: demo test test-fast test-comfyui comfyui workflows lint audit clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(VENV)/bin/python -m diffusionact demo

test: $(VENV)/.installed-dev $(COMFYUI_STAMP)
	$(PYTEST)

test-fast: $(VENV)/.installed-dev
	$(PYTEST) -m "not slow"

test-comfyui: $(VENV)/.installed-dev $(COMFYUI_STAMP)
	$(PYTEST) tests/comfyui

comfyui: $(COMFYUI_STAMP)

workflows: $(VENV)/.installed-dev $(COMFYUI_STAMP)
	PYTHONPATH=tests $(VENV)/bin/python tests/comfyui/make_workflows.py $(NAMES)

lint: $(VENV)/.installed-dev
	$(VENV)/bin/python -m ruff check .

# Strict: a version that could not be looked up counts as a fault, not as a version without one.
audit: $(AUDIT)/bin/pip-audit
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r constraints.txt

clean:
	rm -rf $(VENV) .comfyui build dist *.egg-info

# The stamps are as new as the last installation; editing either file below installs again.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing diffusionact into $(VENV); the first time this fetches torch and takes some minutes."
	$(PIP_INSTALL) torch
	$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what the tests need into $(VENV)."
	$(PIP_INSTALL) -e ".[dev]"
	@touch $@

.comfyui/installed: tests/comfyui/install.py tests/comfyui/constraints.txt requirements.txt | $(VENV)/bin/python
	$(VENV)/bin/python tests/comfyui/install.py .comfyui
	@touch $@

$(AUDIT)/bin/pip-audit: | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --disable-pip-version-check --quiet pip-audit

$(VENV)/bin/python:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "Expected Python 3.10 or newer, found no command '$(PYTHON)'; install it or run 'make PYTHON=/path/to/python'."; \
	  exit 1; }
	@"$(PYTHON)" -c "import sys; sys.exit(sys.version_info < (3, 10))" || { \
	  echo "Expected Python 3.10 or newer, found $$($(PYTHON) --version 2>&1); run 'make PYTHON=python3.11' or similar."; \
	  exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || { \
	  rm -rf $(VENV); \
	  echo "Could not create $(VENV); on Debian and Ubuntu install the package python3-venv and try again."; \
	  exit 1; }
