# Thin lines over pip, pytest and workbench. Everything lives in .venv; nothing else on the machine is touched.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python -m

.PHONY: demo lab wheelhouse test oracle fuzz bench lint clean

demo: $(VENV)/.installed ## three make-believe hospitals, one cohort, four reports
	$(RUN) workbench demo

lab: $(VENV)/.installed ## JupyterLab on the notebooks
	$(RUN) workbench lab

wheelhouse: $(VENV)/.installed ## everything to install from without network: make wheelhouse OUT=wheelhouse EXTRAS=dicomweb
	$(RUN) workbench wheelhouse --out $(or $(OUT),wheelhouse) --extras "$(EXTRAS)"

test: $(VENV)/.installed-test ## all tests
	$(RUN) pytest

oracle: ## mirp, in an environment of its own, against the IBSI phantom and against our numbers
	$(MAKE) $(VENV)-radiomics/.installed-test VENV=$(VENV)-radiomics
	$(VENV)-radiomics/bin/python -m pip install --quiet --editable ".[test,radiomics]"
	WORKBENCH_REQUIRE=data,radiomics $(VENV)-radiomics/bin/python -m pytest -n 0 \
		tests/measure/test_ibsi_oracle.py tests/measure/test_ibsi_phantom.py tests/measure/test_textures.py

fuzz: $(VENV)/.installed-test ## mutations of real files: make fuzz COUNT=20000 SEED=1
	$(RUN) tests.mutations --count $(or $(COUNT),20000) --seed $(or $(SEED),1)

bench: $(VENV)/.installed-bench ## the benchmarks, one script per claim
	for script in benchmarks/p*.py; do $(RUN) benchmarks.$$(basename $$script .py) || exit 1; done

lint: $(VENV)/.installed-test ## format, lint and type checks
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy

clean: ## forget the environment and the demo
	rm -rf $(VENV) $(VENV)-radiomics demo

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(RUN) pip install --quiet --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(RUN) pip install --quiet --editable ".[test]"
	touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/bin/python
	$(RUN) pip install --quiet --editable ".[bench]"
	touch $@ $(VENV)/.installed
