# The two commands of the README, and their opposites. Each may be run again at any time.
# Root installs missing apt packages by itself; others are told which one is missing.

VENV ?= .venv
PYTHON ?= python3
PY := $(VENV)/bin/python
AT_ONCE ?= 3# processes that the tests run in; a good half of the time a test waits

.PHONY: up down test check test-compiled test-cluster test-vllm bench docs proto clean

up: $(VENV)/.local         ## serve examples/chat.yaml on this machine
	@$(PY) -c "from headway.engines.llama_build import find; raise SystemExit(find() is None)" || scripts/needs g++
	@$(VENV)/bin/headway up examples/chat.yaml -d

down:                      ## stop everything that `make up` started
	@test ! -x $(VENV)/bin/headway || $(VENV)/bin/headway down

test: $(VENV)/.dev         ## install all that the tests need, then run the checks and the tests
	@scripts/needs g++ cmake ninja-build chromium chromium-driver postgresql
	@$(PY) -m headway.engines.llama_build
	@$(MAKE) --no-print-directory check
	@$(PY) -m pytest -m "not vllm and not cluster" -n $(AT_ONCE) --dist worksteal
	@$(MAKE) --no-print-directory test-compiled

check: $(VENV)/.dev        ## formatting, lint, types, layers
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

test-compiled: $(VENV)/.dev ## the gateway's tests against a compiled Headway (an environment of its own)
	@PYTHON=$(PYTHON) scripts/needs gcc python3-dev
	@scripts/test-compiled $(abspath $(VENV))-compiled $(PY) $(AT_ONCE)

test-cluster: $(VENV)/.dev ## against a real Kubernetes control plane: KUBEBUILDER_ASSETS (or KUBECONFIG) says where
	@$(PY) -m pytest -m cluster tests/cluster

test-vllm: $(VENV)/.dev    ## run a real vLLM on this CPU: installs 3.5 GB beside the project, opt-in
	@HEADWAY_VLLM=$$(scripts/vllm-environment) $(PY) -m pytest -m vllm tests/vllm

bench: $(VENV)/.dev        ## the figures of benchmarks/README.md
	@$(PY) -m benchmarks.first_light

docs: $(VENV)/.dev         ## write the generated pages anew
	@$(PY) -m docs.generate

proto: $(VENV)/.dev        ## write the messages of picker and scaler anew from their .proto files
	@$(PY) -m grpc_tools.protoc -I. -I$$($(PY) -c "import grpc_tools as g; print(g.__path__[0])")/_proto \
		--python_out=. --pyi_out=. headway/gateway/picker/ext_proc.proto headway/control/scaler/external_scaler.proto

$(VENV)/.local: pyproject.toml
	@scripts/environment $(VENV) $(PYTHON) local
	@touch $@

$(VENV)/.dev: pyproject.toml
	@scripts/environment $(VENV) $(PYTHON) dev
	@touch $@ $(VENV)/.local

clean:
	rm -rf $(VENV) $(VENV)-compiled .mypy_cache .ruff_cache .pytest_cache .hypothesis
