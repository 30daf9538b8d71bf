# `make demo` audits real distributions; `make test` runs every check. Both do all of their own set-up: they need Rust, a C
# compiler and make. They get the Pythons and, as root, the programs that the tests run (Chromium, Apache, curl).
# Pythons and virtualenvs are kept in ~/.cache/wsgiaudit.

.SUFFIXES:
.PHONY: help demo test test-everything test-filtered test-fast test-modwsgi test-declarations house mutants docs bench bench-upgrades \
	bench-serve bench-tune soak-copies survey survey-copies survey-own-tests wheel maturin pythons modwsgi fuzz clean demo-environment switches-environment \
	applications-environment sites-environment generators-environment tools-environment backends-environment \
	serve-environment telemetry-environment

python = tests/support/python
environment = tests/support/environment
modwsgi = tests/support/modwsgi
wsgiaudit = target/release/wsgiaudit
# Not $(MAKE) in the recipes themselves: `make -n` would run those lines.
submake = $(MAKE) -s --no-print-directory

# The Pythons of `make test`. If empty: 3.14, its free-threaded build, and each of WELCOME that is installed.
PYTHONS =
NEEDED = 3.14 3.14t
WELCOME = 3.12 3.13 3.15 3.15t

# `make test FILTER=pattern` runs the tests whose names contain the pattern.
FILTER =

# What tests are given: NAME:TARGET:FOLDER. WSGIAUDIT_TEST_NAME is what TARGET prints; FOLDER, in the cache, says that it has
# been made before.
GIVEN = SERVE:serve-environment:environments/serve-314 \
	BACKENDS:backends-environment:environments/backends \
	GENERATORS:generators-environment:environments/generators \
	APPLICATIONS:applications-environment:environments/applications \
	SITES:sites-environment:environments/sites \
	TOOLS:tools-environment:environments/tools \
	TELEMETRY:telemetry-environment:environments/telemetry \
	SWITCHES:switches-environment:environments/switches-314t \
	DEMO:demo-environment:environments/demo \
	MATURIN:maturin:environments/maturin \
	MODWSGI:modwsgi:modwsgi

help:
	@echo 'make demo           audit some 25 real distributions, print the table, write reports/demo.json'
	@echo 'make test           every check; PYTHONS="3.14 3.13" chooses the Pythons'
	@echo
	@echo 'make test FILTER=pattern  only the tests whose names contain the pattern, with what the cache already has'
	@echo 'make test-fast      the tests that need no environments, on one Python: under two minutes once built'
	@echo 'make test-modwsgi   the verdicts compared with mod_wsgi in Apache (part of `make test`)'
	@echo 'make test-declarations  what is read in real modules compared with what they return when they run'
	@echo 'make house          measures of the sources, and circles among their modules'
	@echo 'make mutants        mutate the pure middle, and list what no unit test notices; SHARD=1/50 takes a sample'
	@echo 'make fuzz           feed each parser with damaged input for ten minutes; FUZZ=apache chooses one'
	@echo
	@echo 'make docs           build the documentation into target/book'
	@echo 'make wheel          build the wheel for `pip install` into target/wheels'
	@echo 'make survey         reports/: audit about 70 popular distributions on 3.14 with and without a GIL'
	@echo 'make survey-copies  audit the same distributions with and without private copies'
	@echo 'make survey-own-tests  run the tests of six distributions in interpreters with private copies'
	@echo 'make bench          readers of modules side by side, and an audit of some 780 modules beside the naive way'
	@echo 'make bench-upgrades  an audit after the upgrade of each of their distributions beside the first audit'
	@echo 'make bench-serve    `serve` beside mod_wsgi, granian and gunicorn; what switch intervals change'
	@echo 'make soak-copies    200,000 requests to a Django site with private copies, each answer checked'
	@echo 'make bench-tune     what `tune` recommends for six applications beside an exhaustive search'
	@echo
	@echo 'make pythons        print the Pythons of `make test`: export WSGIAUDIT_TEST_PYTHONS="$$(make -s pythons)"'
	@echo 'make clean          remove target/'

# Exit status 1 is right here: some of these distributions are blocked.
demo:
	@set -e; \
	echo 'make demo: some 15 minutes at first, most of it to build Python and this program; a minute once that is there.' >&2; \
	echo 'make demo: some GB of disk: target/ here, and what is downloaded and built in ~/.cache/wsgiaudit' >&2; \
	echo 'make demo: a Python 3.12 or later, and its free-threaded build' >&2; \
	for version in 3.14 3.13 3.12; do \
		found=$$($(python) --if-present $$version) && break; \
	done || { version=3.14; found=$$($(python) 3.14); }; \
	if free_threaded=$$($(python) $${version}t); then \
		set -- --free-threaded "$$free_threaded"; \
	else \
		echo "make demo: no free-threaded Python $${version}t: free threading is left out" >&2; set --; \
	fi; \
	echo "make demo: the distributions of corpus/environments/demo.txt, for $$found" >&2; \
	demo=$$($(submake) demo-environment DEMO_PYTHON="$$found"); \
	echo 'make demo: the program, target/release/wsgiaudit' >&2; \
	cargo build --release; \
	mkdir -p reports; \
	echo "make demo: $(wsgiaudit) $$demo $$* --json reports/demo.json" >&2; \
	$(wsgiaudit) "$$demo" "$$@" --json reports/demo.json || [ $$? = 1 ]; \
	echo "make demo: next, $(wsgiaudit) render reports/demo.json --format html -o demo.html; or your own: \
	$(wsgiaudit) path/to/venv" >&2

# The virtualenv of `make demo`.
demo-environment:
	@$(environment) demo "$(or $(DEMO_PYTHON),$$($(python) 3.14))" corpus/environments/demo.txt --require-hashes

# Distributions that switch the GIL on, and some that do not, for the free-threaded build.
switches-environment:
	@$(environment) switches-314t "$$($(python) 3.14t)" corpus/environments/switches-314t.txt --no-deps

# Web applications and frameworks, for the tests of --app.
applications-environment:
	@$(environment) applications "$$($(python) 3.14)" corpus/environments/applications.txt --no-deps

# Sites that are asked requests, for the tests of --requests. Two of them have no wheels, only pure Python sources.
sites-environment:
	@$(environment) sites "$$($(python) 3.14)" corpus/environments/sites.txt --no-deps --no-binary klaus,httpauth

# Generators of extension modules, for corpus/.
generators-environment:
	@command -v c++ >/dev/null || apt-get install -y --no-install-recommends g++ >&2; \
	$(environment) generators "$$($(python) 3.14)" corpus/environments/generators.txt --no-deps

# uv and pre-commit, for the tests of what works with them.
tools-environment:
	@$(environment) tools "$$($(python) 3.14)" corpus/environments/tools.txt --no-deps

# Build backends, for editable installs.
backends-environment:
	@$(environment) backends "$$($(python) 3.14)" corpus/environments/backends.txt --no-deps

# Web frameworks, for `wsgiaudit serve`.
serve-environment:
	@$(environment) serve-314 "$$($(python) 3.14)" corpus/environments/serve.txt --require-hashes

# mod_wsgi-telemetry, for the tests of what `serve --telemetry` sends.
telemetry-environment:
	@$(environment) telemetry "$$($(python) 3.14)" corpus/environments/telemetry.txt --no-deps

test: $(if $(FILTER),test-filtered,test-everything)

test-everything:
	@set -e; \
	echo 'make test: everything: more than an hour on two cores, and some 16 GB of disk in target/ and ~/.cache/wsgiaudit.' >&2; \
	echo 'make test: as root it installs Apache and chromium. make test-fast needs minutes, and none of that.' >&2; \
	for each in $(GIVEN); do \
		name=$${each%%:*}; target=$${each#*:}; target=$${target%%:*}; \
		echo "make test: $$target" >&2; \
		given=$$($(submake) $$target); \
		export "WSGIAUDIT_TEST_$$name=$$given"; \
	done; \
	echo 'make test: chromium, curl' >&2; \
	tests/support/chromium >/dev/null; \
	command -v curl >/dev/null || apt-get install -y --no-install-recommends curl ca-certificates >&2; \
	WSGIAUDIT_TEST_PYTHONS=$$($(submake) pythons PYTHONS='$(PYTHONS)'); \
	export WSGIAUDIT_TEST_PYTHONS; \
	echo "make test: Pythons: $$WSGIAUDIT_TEST_PYTHONS" >&2; \
	set -x; \
	cargo fmt --all --check; \
	cargo clippy --workspace --all-targets -- -D warnings; \
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps; \
	cargo test --workspace

# With what the cache has. A test that needs more says which target makes it.
test-filtered:
	@set -e; \
	cache=$${XDG_CACHE_HOME:-$$HOME/.cache}/wsgiaudit; missing=; \
	for each in $(GIVEN); do \
		name=$${each%%:*}; target=$${each#*:}; folder=$${target#*:}; target=$${target%%:*}; \
		if [ -d "$$cache/$$folder" ]; then \
			given=$$($(submake) $$target); \
			export "WSGIAUDIT_TEST_$$name=$$given"; \
		else \
			missing="$$missing $$target"; \
		fi; \
	done; \
	if [ -n "$$missing" ]; then echo "make test: not made yet, and left out:$$missing" >&2; fi; \
	WSGIAUDIT_TEST_PYTHONS=$$($(submake) pythons PYTHONS='$(or $(PYTHONS),$(NEEDED))'); \
	export WSGIAUDIT_TEST_PYTHONS; \
	set -x; \
	cargo test --workspace --lib --bins --tests -- $(FILTER)

# Unit tests, and the end-to-end tests that need one Python and no environment.
test-fast:
	@set -e; \
	WSGIAUDIT_TEST_PYTHONS=$$($(submake) pythons PYTHONS='$(or $(PYTHONS),3.14)'); \
	export WSGIAUDIT_TEST_PYTHONS; \
	set -x; \
	cargo test --workspace --lib --bins; \
	cargo test --package wsgiaudit-repository --tests; \
	cargo test --test end-to-end -- $(FAST)

# Modules of tests/, and what of them needs more than one Python or an environment.
FAST = documentation:: apache::configurations:: apache::directive:: cli::blockers:: cli::commands:: cli::diff:: \
	cli::gate:: image::hostile_files:: render::formats:: render::reports:: render::rules:: trial::batches:: \
	--skip junit_is_as

# How well the sources keep the rules of the repository.
house:
	cargo run --quiet --package wsgiaudit-repository

# All mutants take days on two cores. SHARD=k/n takes each n-th of them. What it finds is in target/mutants.out.
mutants:
	@set -e; \
	command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants; \
	cargo mutants --output target $(if $(SHARD),--shard $(SHARD) --sharding round-robin)

# The documentation, as HTML. Gets mdbook with cargo.
docs:
	@set -e; \
	PATH=$$PATH:$${CARGO_HOME:-$$HOME/.cargo}/bin; export PATH; \
	command -v mdbook >/dev/null || cargo install --locked mdbook; \
	mdbook build docs; \
	echo 'make docs: target/book/introduction.html'

# Every name of the demo environment is imported in mod_wsgi too, in each kind of interpreter.
test-modwsgi:
	@set -e; \
	WSGIAUDIT_TEST_DEMO=$$($(submake) demo-environment); \
	export WSGIAUDIT_TEST_DEMO; \
	WSGIAUDIT_TEST_MODWSGI=$$($(submake) modwsgi); \
	export WSGIAUDIT_TEST_MODWSGI; \
	WSGIAUDIT_TEST_PYTHONS=$$($(submake) pythons PYTHONS='3.14 3.14t'); \
	export WSGIAUDIT_TEST_PYTHONS; \
	cargo test --test end-to-end apache::

# mod_wsgi built for 3.14 and its free-threaded build.
modwsgi:
	@set -e; \
	modules=; \
	for version in 3.14 3.14t; do \
		modules="$$modules $$version=$$($(modwsgi) modwsgi-$$version "$$($(python) $$version)")"; \
	done; \
	echo $$modules

# What running init functions return takes minutes to find, and is kept. The wheels of other platforms are some 900 MB.
test-declarations:
	truth=$${XDG_CACHE_HOME:-$$HOME/.cache}/wsgiaudit/truth; mkdir -p "$$truth"; \
	popular=$$($(environment) popular-314 "$$($(python) 3.14)" corpus/environments/popular-314.txt --no-deps --compile); \
	untuned=$$($(environment) untuned-314 "$$($(python) 3.14)" corpus/environments/untuned-314.txt --no-deps); \
	free=$$($(environment) popular-314t "$$($(python) 3.14t)" corpus/environments/popular-314t.txt --no-deps); \
	WSGIAUDIT_WHEELS=$$(tests/support/wheels "$$popular"); \
	WSGIAUDIT_TRUTH=$$truth; WSGIAUDIT_ENVIRONMENTS=$$popular:$$untuned:$$free; \
	export WSGIAUDIT_WHEELS WSGIAUDIT_TRUTH WSGIAUDIT_ENVIRONMENTS; \
	cargo test --test end-to-end -- --nocapture declarations::declarations; \
	cargo test --test end-to-end -- --nocapture --ignored other_machines_agree

wheel:
	@set -e; maturin=$$($(submake) maturin); "$$maturin" build --release

# The program that builds wheels, in a virtualenv of its own.
maturin:
	@set -e; \
	environment=$$($(environment) maturin "$$($(python) 3.14)" corpus/environments/maturin.txt --require-hashes); \
	echo "$$environment/bin/maturin"

pythons:
	@set -e; \
	pythons=; \
	for version in $(if $(PYTHONS),$(PYTHONS),$(NEEDED)); do \
		path=$$($(python) $$version); \
		pythons="$$pythons $$version=$$path"; \
	done; \
	for version in $(if $(PYTHONS),,$(WELCOME)); do \
		if path=$$($(python) --if-present $$version); then pythons="$$pythons $$version=$$path"; fi; \
	done; \
	echo $$pythons

bench:
	@set -e; \
	popular=$$($(environment) popular-314 "$$($(python) 3.14)" corpus/environments/popular-314.txt --no-deps --compile); \
	readers=$$($(environment) readers "$$($(python) 3.14)" corpus/environments/readers.txt --no-deps); \
	cargo build --release; \
	"$$readers/bin/python" -I tests/bench/readers.py $(wsgiaudit) "$$popular"; \
	"$$popular/bin/python" -I tests/bench/naive.py $(wsgiaudit) "$$popular"; \
	"$$popular/bin/python" -I tests/bench/upgrades.py $(wsgiaudit) "$$popular" bcrypt MarkupSafe numpy; \
	"$$popular/bin/python" -I tests/bench/bytecode.py $(wsgiaudit) "$$popular"

# Each distribution of that environment is upgraded in turn: ten minutes.
bench-upgrades:
	@set -e; \
	popular=$$($(environment) popular-314 "$$($(python) 3.14)" corpus/environments/popular-314.txt --no-deps --compile); \
	cargo build --release; \
	"$$popular/bin/python" -I tests/bench/upgrades.py $(wsgiaudit) "$$popular" >reports/upgrades-bench.new; \
	mv reports/upgrades-bench.new reports/upgrades-bench.txt; tail -n 1 reports/upgrades-bench.txt

# `serve` beside other servers: five minutes. ROUNDS and SECONDS_EACH set other bounds. Needs wrk and Apache, which it
# installs as root.
bench-serve:
	@set -e; \
	command -v wrk >/dev/null || apt-get install -y --no-install-recommends wrk >&2; \
	servers=$$($(environment) servers "$$($(python) 3.14)" corpus/environments/servers.txt --no-deps); \
	module=$$($(modwsgi) modwsgi-3.14 "$$($(python) 3.14)"); \
	free=$$($(python) 3.14t); \
	site=$$($(environment) copies-site "$$($(python) 3.14)" corpus/environments/copies-site.txt --no-deps); \
	cargo build --release; \
	"$$servers/bin/python" -I tests/bench/serve.py "$$PWD/$(wsgiaudit)" "$$module" "$$site" "$$free" >reports/serve-bench.new; \
	mv reports/serve-bench.new reports/serve-bench.txt; cat reports/serve-bench.txt

# A site of real distributions in four interpreters with private copies, each of its answers checked: ten minutes. REQUESTS sets
# another number. Needs PostgreSQL, which it installs as root.
REQUESTS = 200000
soak-copies:
	@set -e; \
	set -- /usr/lib/postgresql/*/bin; \
	[ -x "$$1/initdb" ] || { apt-get install -y --no-install-recommends postgresql >&2; set -- /usr/lib/postgresql/*/bin; }; \
	site=$$($(environment) copies-site "$$($(python) 3.14)" corpus/environments/copies-site.txt --no-deps); \
	cargo build --release; \
	"$$site/bin/python" -I tests/bench/copies_soak.py $(wsgiaudit) "$$1" $(REQUESTS) >reports/copies-soak.new; \
	mv reports/copies-soak.new reports/copies-soak.txt; cat reports/copies-soak.txt

# What `tune` recommends beside an exhaustive search with wrk: half an hour. ROUNDS, SECONDS_EACH and WORKLOADS set other
# bounds.
bench-tune:
	@set -e; \
	command -v wrk >/dev/null || apt-get install -y --no-install-recommends wrk >&2; \
	demo=$$($(submake) demo-environment); \
	cargo build --release; \
	"$$demo/bin/python" -I tests/bench/tune.py "$$PWD/$(wsgiaudit)" "$$demo"

# The survey in reports/: some ten minutes and 2 GB. Downloads are kept.
survey:
	@set -e; \
	python="$$($(python) 3.14)"; \
	popular=$$($(environment) popular-314 "$$python" corpus/environments/popular-314.txt --no-deps --compile); \
	free=$$($(python) 3.14t); \
	cargo build --release; \
	$(wsgiaudit) "$$popular" --free-threaded "$$free" --no-cache --json reports/survey.json || [ $$? = 1 ]; \
	"$$python" -I reports/spot_check.py; \
	$(wsgiaudit) render reports/survey.json --format html --output reports/survey.html || [ $$? = 1 ]; \
	"$$python" -I reports/summarise.py

# What private copies change for that environment, and what they cost: ten minutes.
survey-copies:
	@set -e; \
	popular=$$($(environment) popular-314 "$$($(python) 3.14)" corpus/environments/popular-314.txt --no-deps --compile); \
	cargo build --release; \
	"$$popular/bin/python" -I reports/survey_copies.py $(wsgiaudit) "$$popular" >reports/copies-survey.new; \
	mv reports/copies-survey.new reports/copies-survey.txt; cat reports/copies-survey.txt

# Tests of distributions in interpreters with private copies.
survey-own-tests:
	@set -e; \
	tested=$$($(environment) own-tests "$$($(python) 3.14)" corpus/environments/own-tests.txt --no-deps); \
	cargo build --release; \
	"$$tested/bin/python" -I reports/survey_own_tests.py $(wsgiaudit) "$$tested" h5py numpy pandas pyarrow scikit-learn scipy \
		>reports/own-tests.new; \
	mv reports/own-tests.new reports/own-tests.txt; cat reports/own-tests.txt

# Ten minutes of damaged input for each parser of what others have written, from the fixtures and corpus/.
# FUZZ names parsers, FUZZ_SECONDS another time. Needs clang; gets cargo-fuzz.
FUZZ = inspect wheel metadata apache requests report python telemetry
FUZZ_SECONDS = 600
fuzz:
	@set -e; \
	command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz; \
	include=$$("$$($(python) 3.14)" -c 'import sysconfig; print(sysconfig.get_path("include"))'); \
	seeds=tests/fuzz/corpus; \
	for parser in $(FUZZ); do mkdir -p $$seeds/$$parser; done; \
	cp tests/fixtures/seeds/*.so tests/fixtures/seeds/*.pyd $$seeds/inspect; \
	for source in corpus/*/*.c; do \
		cc -w -O2 -fPIC -shared -s -I"$$include" "$$source" \
			-o "$$seeds/inspect/$$(basename "$$source" .c).so" || true; \
	done; \
	cp tests/fixtures/apache-config/*.conf $$seeds/apache; \
	for file in tests/fixtures/applications/*/requests.http; do \
		cp "$$file" "$$seeds/requests/$$(basename "$$(dirname "$$file")").http"; \
	done; \
	cp tests/fixtures/golden/report.json $$seeds/report; \
	cp tests/fixtures/applications/*/*.py $$seeds/python; \
	printf 'WSGI\001\002\0\0\007\0\0\0\001\0\0\0\0\0\0\0\0\0\0\0\024\0\001\144\0\0\0\0\0\0\0' >$$seeds/telemetry/request; \
	printf '\001fuzz/__init__.py,sha256=x,1\n' >$$seeds/metadata/record; \
	printf '\000Name: fuzz\nVersion: 1\nRequires-Dist: a; extra == "x"\n' >$$seeds/metadata/metadata; \
	cd tests/fuzz; \
	for parser in $(FUZZ); do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir . $$parser corpus/$$parser -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=1024 -max_len=65536; \
	done

clean:
	cargo clean
