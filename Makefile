# Two commands do everything, each by itself: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python tools/install.py --constraint constraints.txt
# Of some hundred megabytes of packages a command needs a tenth: Python compiles that at first use and keeps it (3 s),
# which takes a sixth of compiling everything while installing; so it must be let to keep it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-quick kernels check format wheel installs docs baseline published bench clean

demo: .venv/ready
	$(BIN)/kretslopp study ostergotland

TESTS := $(BIN)/pytest -n auto --maxprocesses 8 --dist worksteal

test: kernels
	$(TESTS)

test-quick: kernels  ## what shows most faults in a minute or so; `make test` has all
	$(TESTS) -m "not slow"

kernels: .venv/ready-dev  # once, before processes that run side by side would each compile them
	$(BIN)/kretslopp effect tiny --replicates 2 --months 12 > /dev/null

check: .venv/ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheel: .venv/ready  ## a wheel in dist/ that carries compiled kernels, for this Python and the versions installed
	$(INSTALL) hatchling
	KRETSLOPP_READY_KERNELS=1 $(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

installs: .venv/ready  ## from the tree and from a wheel, with every Python of this machine: what is compiled, and when
	$(BIN)/python tools/installs.py --all

docs: .venv/ready-dev  ## write the tables of docs/ anew from the declarations
	$(BIN)/python docs/tables.py

baseline: .venv/ready-dev  ## accept today's digits (say in CHANGELOG.md that results change)
	$(BIN)/python -m tests.baseline

PUBLISHED := results/published
RULES := real_option npv payback planned_behaviour satisficing
COMPARED := resource_centre,transaction_cost_subsidy,landfill_tax,information_campaign,digital_marketplace

PUBLISHED_PARTS := study comparison hypotheses properties regions sensitivity exact prices $(RULES:%=calibration-%) recovery validation

published: $(PUBLISHED_PARTS:%=published-%)  ## remake the kept reference results (hours; each part can be made by itself)

published-study: .venv/ready-dev
	$(BIN)/kretslopp study ostergotland --replicates 400 --out $(PUBLISHED)/ostergotland > $(PUBLISHED)/ostergotland.txt

published-comparison: .venv/ready-dev
	$(BIN)/kretslopp compare ostergotland --interventions $(COMPARED) --budget 8 --replicates 50 --out $(PUBLISHED)/comparison > $(PUBLISHED)/comparison.txt

published-hypotheses: .venv/ready-dev  # goes on where it was stopped
	$(BIN)/kretslopp hypotheses --out $(PUBLISHED)/hypotheses > $(PUBLISHED)/hypotheses.txt
	rm -rf $(PUBLISHED)/hypotheses/runs

published-properties: .venv/ready-dev
	$(BIN)/python -m results.properties $(PUBLISHED)/properties

published-regions: .venv/ready-dev
	$(BIN)/python -m results.regiontable $(PUBLISHED)/regions
	$(BIN)/python -m results.sectorpairs $(PUBLISHED)/regions

published-sensitivity: .venv/ready-dev  # goes on where it was stopped
	$(BIN)/kretslopp sensitivity ostergotland --method sobol --outcome effect.adoption --parameters 12 --runs 200000 --out $(PUBLISHED)/sensitivity/ostergotland
	rm -rf $(PUBLISHED)/sensitivity/ostergotland/runs $(PUBLISHED)/sensitivity/ostergotland/screening

published-exact: .venv/ready-dev
	$(BIN)/python -m tests.exact $(PUBLISHED)/sensitivity

published-prices: .venv/ready-dev
	$(BIN)/python -m calibration.pricerecovery $(PUBLISHED)/prices

published-calibration-%: .venv/ready-dev
	$(BIN)/kretslopp calibrate kalundborg --set appraisal.rule=$* --waves 3 --particles 100 --out $(PUBLISHED)/calibration/$*

published-recovery: .venv/ready-dev
	$(BIN)/kretslopp calibrate kalundborg --waves 3 --particles 50 --recover 60 --out $(PUBLISHED)/calibration/recovery

published-validation: .venv/ready-dev  # after the calibrations
	$(BIN)/kretslopp validate ostergotland --posterior $(PUBLISHED)/calibration/real_option/posterior.csv --out $(PUBLISHED)/calibration/validation
	$(BIN)/kretslopp validate ostergotland --out $(PUBLISHED)/calibration/defaults
	$(BIN)/python -m results.rulespread $(PUBLISHED)/calibration

bench: .venv/ready-dev  ## measure speed and memory anew (twenty minutes, idle machine): benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

.venv/ready: pyproject.toml constraints.txt tools/install.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kretslopp needs Python 3.11 or later; try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	@touch $@

.venv/ready-dev: .venv/ready
	$(INSTALL) --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
