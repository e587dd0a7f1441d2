# make demo     see a vision-language model evaluated, from nothing
# make test     the fast tests
# make check    lint, types, floors, of the package as an installation has it
# make docs     the documentation as a site, in build/docs
# Each sets up its own virtual environment the first time and reinstalls nothing after that.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# Where torch has a build for CPUs: its publisher's index of CPU wheels. pip's own index has CUDA builds only for Linux.
# Every pip that make starts looks there too, and takes the CPU build, whose version counts as the higher one.
TORCH_INDEX ?=
ifneq ($(strip $(TORCH_INDEX)),)
export PIP_EXTRA_INDEX_URL += $(TORCH_INDEX)
endif

# Containers often forbid it, and then each vlmbench that a test starts compiles itself anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check view docs vllm formats lanes browser leaderboard slow wheel perf clean

demo: $(READY)
	$(BIN)/vlmbench demo

test: $(READY)
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow and not gpu"

vllm:
	bash tests/vllm_lane/setup.sh $(PYTHON) $(VENV)-vllm
	$(VENV)-vllm/bin/python -m pytest -n 2 --dist loadfile -W default --no-header tests/vllm_lane

# The environments of both lanes, and of the documentation.
lanes: $(VENV)-docs/.ready
	bash tests/formats_lane/setup.sh $(PYTHON) $(VENV)-formats
	bash tests/vllm_lane/setup.sh $(PYTHON) $(VENV)-vllm

browser:
	bash tests/browser/setup.sh

formats:
	bash tests/formats_lane/setup.sh $(PYTHON) $(VENV)-formats
	# Not `python -m pytest`: with the checkout on its path inspect_ai takes vlmbench for a local file.
	$(VENV)-formats/bin/pytest -W default --no-header tests/formats_lane

leaderboard: $(READY)
	# With the demo's own runs where `make demo` has left them; the shell looks, because make remembers what it saw.
	$(BIN)/vlmbench leaderboard build --runs tests/committed_runs $$(ls -d runs/demo 2>/dev/null) --out build/leaderboard --reports

slow: $(READY) browser
	$(BIN)/pytest -n 2 --dist worksteal -m "slow and not gpu" || test $$? -eq 5  # 5: no slow test is no failure

check: $(READY) view
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd build/view && $(abspath $(BIN))/lint-imports --config ../../pyproject.toml --cache-dir ../../.import_linter_cache

# The package as an installation has it, out of links: mypy and import-linter see vlmbench.trainers only there.
view:
	rm -rf build/view
	mkdir -p build/view/vlmbench
	cd build/view/vlmbench && ln -s ../../../vlmbench/* ../../../benchmarks ../../../leaderboards ../../../trainers .

# Strictly: a broken link or heading is an error (but not with --quiet, which drops the warnings that --strict counts).
# With the leaderboard's page where `make leaderboard` has left it.
SITE ?= build/docs
docs: $(VENV)-docs/.ready
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --strict -f docs/site/en.yml -d $(abspath $(SITE))
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --strict -f docs/site/zh-CN.yml -d $(abspath $(SITE))/zh-CN

# jieba finds the words of a Chinese sentence, for the search.
$(VENV)-docs/.ready: constraints.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt mkdocs-material jieba
	touch $@

wheel: $(READY)
	bash tests/packaging/wheel_job.sh $(BIN)/python

perf: $(READY)
	$(BIN)/python tests/perf/startup.py
	$(BIN)/python tests/perf/score_rules.py
	$(BIN)/python tests/perf/score_families.py
	$(BIN)/python tests/perf/big_table.py --gigabytes 2
	$(BIN)/python tests/perf/tokenise.py --records 10000 100000
	$(BIN)/python tests/perf/leaderboard.py
	$(BIN)/python tests/perf/report.py

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	# torch first and exactly: a later line asking for "torch" must find it and not choose a build of its own
	$(BIN)/pip install --quiet --disable-pip-version-check "torch==2.13.0"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-vllm $(VENV)-formats $(VENV)-docs build dist *.egg-info
