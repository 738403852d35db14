# Netlift: short names for common jobs; `make` alone lists them. Settings:
#   CORES=4            cores that Snakemake may use (default: all)
#   ARGS="..."         more arguments: for snakemake after `make run`, for pytest after `make test`
#   PYTHON=python3.12  the Python to create .venv with (default: the first suitable one)

CORES = all
ARGS =
REPORT = results/report.zip
LIB := workflow/lib

# PATH separates folders by colons, and setuptools, which installs one of the packages, replaces
# $names and {names} in paths. Spaces, quotes and letters of any alphabet do no harm.
unfit := $(strip $(foreach sign,: $$ { },$(findstring $(sign),$(CURDIR))))
ifneq ($(unfit),)
$(error The path of this folder has a sign that set-up cannot deal with ($(unfit)): $(CURDIR). \
Nothing was done. Rename the folder or move it, then run make again)
endif

# Recipes use the programs in .venv, whatever is active or set in the user's shell.
activate := PATH="$$PWD/.venv/bin:$$PATH" &&
unexport PYTHONHOME PYTHONPATH
# Continues after a run that was killed, and refuses to start while another run is active.
snakemake := $(activate) PYTHONPATH="$$PWD/$(LIB)" python -m netlift snakemake
# Many containers set this variable, which makes every start of Python compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

# All tests in a file run on one worker, so that a workflow run that they share is run once.
pytest := pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run analyse sweep validate report diff reproduce browser test test-fast test-cluster lint format docs env lock bench-scale clean FORCE

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.ready ## Run the study and say where the results are
	@$(snakemake) --cores $(CORES) $(ARGS)

analyse: .venv/.ready ## Analyze your own log: make analyse LOG=name ARGS="--configfile FILE"
	@test -n "$(LOG)" || { echo 'Which log? make analyse LOG=name, a name under logs in the config'; exit 2; }
	@$(snakemake) --cores $(CORES) $(ARGS) -- results/logs/$(LOG)/sections.csv \
	    results/logs/$(LOG)/report.html

sweep: .venv/.ready ## Run every seed, slate size and world of the config's sweep
	@$(snakemake) --cores $(CORES) --keep-going $(ARGS) -- sweep

validate: .venv/.ready ## Redraw assignment and clicks many times, to check intervals and tests
	@$(snakemake) --cores $(CORES) --keep-going $(ARGS) -- validate

report: .venv/.ready ## Pack the pages, tables and figures of a finished study into results/report.zip
	@$(snakemake) --cores $(CORES) --report $(REPORT) $(ARGS)
	@echo "Unpack $(REPORT) and open report.html; as a single file: make report REPORT=report.html"

diff: .venv/.ready ## Show what changed between two runs: make diff A=old/results B=results
	@PYTHONPATH=$(LIB) .venv/bin/python -m netlift diff "$(A)" "$(B)"; \
	code=$$?; [ $$code = 1 ] || exit $$code # 1: something changed, which is no error of make

reproduce: .venv/.ready ## Run the study on one core and on all, and compare every file
	@.venv/bin/python benchmarks/reproduce.py $(ARGS)

test: .venv/.ready-dev .venv/kubernetes/.ready browser ## Check style, types and workflow, then run all tests
	@$(MAKE) --no-print-directory lint; lint=$$?; \
	printf '\n== pytest\n'; \
	$(activate) $(pytest) $(ARGS) && exit $$lint

# Pages are tested in a browser. Without one, those tests are skipped, with a notice.
browser:
	@for name in chromium chromium-browser google-chrome; do \
	    if command -v $$name >/dev/null; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing chromium to test the pages"; \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	        apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 && exit 0; \
	fi; \
	echo "NO BROWSER: the browser tests of the pages are skipped. Install chromium (Debian, Ubuntu:"; \
	echo "apt install chromium), or set NETLIFT_CHROMIUM to the path of a Chromium."

test-fast: .venv/.ready-dev ## Run the tests that need no workflow run
	@$(activate) $(pytest) -m 'not slow' $(ARGS)

test-cluster: .venv/.ready-dev ## Test runs on a Slurm cluster, started on this machine
	@$(activate) pytest -n 0 $(ARGS) tests/cluster

lint: .venv/.ready-dev ## Check style, types and workflow
	@$(activate) failed=; \
	for check in 'ruff check' 'ruff format --check' mypy 'env PYTHONPATH=$(LIB) lint-imports' \
	        'snakefmt --check workflow' 'snakemake --lint'; do \
	    printf '\n== %s\n' "$$check"; $$check || failed="$$failed\n    $$check"; \
	done; \
	[ -z "$$failed" ] || { printf "\nThese checks failed:$$failed\n"; exit 1; }

format: .venv/.ready-dev ## Format Python and Snakemake files
	@$(activate) ruff check --fix-only && ruff format && snakefmt workflow

docs: .venv/.ready ## Regenerate the docs that are generated from the code
	@$(activate) python docs/make_pages.py

env: .venv/.ready ## Only set up .venv

lock: .venv/.ready ## Rewrite requirements*.txt from pyproject.toml
	@$(lock) --output-file requirements.txt
	@$(lock) --extra dev --constraints requirements.txt --output-file requirements-dev.txt
	@$(lock) --extra kubernetes --constraints requirements-dev.txt --output-file requirements-kubernetes.txt \
	    $$(sed -n 's/^\([a-z0-9.-]*\)==.*/--no-emit-package \1/p' requirements.txt)

bench-scale: .venv/.ready ## Measure MovieLens 32M on this machine: 10 minutes, 4 GB of disk in FOLDER
	@$(activate) python benchmarks/scale.py $(if $(FOLDER),--folder "$(FOLDER)") $(ARGS)

clean: ## Delete all results (downloads in resources/ are kept)
	@test ! -d results || find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +

# --- The environment -----------------------------------------------------------------------------
# .venv/.ready and .venv/.ready-dev are written last, after everything in their lock file is
# installed. The first records the Python version and the path of .venv. If they do not match (set-up
# interrupted, folder moved, Python removed, another PYTHON requested), .venv is created again.

version := import sys; print(*sys.version_info[:2])
whoami := import sys; print(*sys.version_info[:2], sys.prefix)
env_was := $(shell cat .venv/.ready 2>/dev/null)
env_is := $(shell .venv/bin/python -c '$(whoami)' 2>/dev/null)
ifneq ($(env_was),$(or $(env_is),none))
afresh := FORCE
endif
ifdef PYTHON
ifneq ($(wordlist 1,2,$(env_is)),$(shell "$(PYTHON)" -c '$(version)' 2>/dev/null))
afresh := FORCE
endif
endif

.venv/.ready: requirements.txt $(afresh)
	$(if $(afresh),$(make_venv))
	@rm -f .venv/.ready*
	$(call install,$<)
	@.venv/bin/python -c '$(whoami)' > $@

.venv/.ready-dev: requirements-dev.txt .venv/.ready
	@rm -f .venv/.ready*
	$(call install,$<)
	@.venv/bin/python -c '$(whoami)' > .venv/.ready
	@touch $@

# What profiles/kubernetes needs in addition, for its tests only: Snakemake imports each plugin that
# it finds, and these make every start half a second longer.
.venv/kubernetes/.ready: requirements-kubernetes.txt .venv/.ready-dev
	@rm -rf .venv/kubernetes
	$(call install,$<,--target .venv/kubernetes --no-deps)
	@touch $@

define why_unfit
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit("is Python %d.%d.%d" % sys.version_info[:3])
try:
    import ensurepip, ssl, venv
except ImportError as error:
    sys.exit("cannot import %s (Debian, Ubuntu: apt install python3.%d-venv)"
             % (error.name, sys.version_info[1]))
endef
export why_unfit

# Each candidate is run, because version managers put names on PATH that do not work.
define make_venv
	@found= unfit=; \
	for python in $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11 python); do \
	    if ! command -v "$$python" >/dev/null; then why="not found"; \
	    elif why=$$("$$python" -c "$$why_unfit" 2>&1); then found=$$python; break; fi; \
	    unfit="$$unfit    $$python: $$(echo "$$why" | tail -n 1)\n"; \
	done; \
	if [ -z "$$found" ]; then \
	    printf "Netlift needs Python 3.11, 3.12 or 3.13. None of these is suitable:\n$$unfit"; \
	    echo "Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install"; \
	    echo "python@3.13), or give its path: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; \
	    exit 1; \
	fi >&2; \
	echo "Creating .venv with $$("$$found" --version)"; \
	"$$found" -m venv --clear .venv
endef

# Modules are compiled at installation, because imports would otherwise take most of the time of a
# run. If uv cannot install (for example because only pip is set up for a company's mirror), pip does.
define install
	@echo "Installing $(1) into .venv (a minute or two the first time)"
	@sed -n '/^setuptools==/,/# via/p; /^uv==/,/# via/p' requirements.txt > .venv/setup.txt
	@.venv/bin/python -m pip install -q --require-hashes --only-binary :all: -r .venv/setup.txt
	@.venv/bin/python -m uv pip install --python .venv/bin/python --require-hashes \
	    --no-build-isolation --compile-bytecode $(2) -r $(1) || \
	{ echo "uv could not install; trying pip instead"; .venv/bin/python -m pip install \
	    --require-hashes --no-build-isolation --use-pep517 --compile $(2) -r $(1); }
endef

# At least three weeks old, so that conda has them too and bad releases have been withdrawn.
define lock
.venv/bin/uv pip compile pyproject.toml --extra setup --universal --python-version 3.11 \
    --generate-hashes --exclude-newer "3 weeks" --custom-compile-command "make lock" --quiet
endef
