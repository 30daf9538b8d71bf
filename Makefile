# Two commands: `make demo` audits real distributions, `make test` runs every check there is.
# Neither needs anything but a C compiler, Rust and make: they get the Pythons that they need and, as root, what else
# the tests run (Chromium, Apache, curl).

.SUFFIXES:
.PHONY: help fuzz demo backends-environment demo-environment applications-environment switches-environment serve-environment generators-environment tools-environment modwsgi test test-declarations \
	test-modwsgi bench bench-upgrades bench-serve survey wheel maturin pythons clean

python = tests/support/python
environment = tests/support/environment
modwsgi = tests/support/modwsgi
wsgiaudit = target/release/wsgiaudit

# The Pythons that `make test` runs on. Left empty: 3.14, its free-threaded build, and each of WELCOME that is
# at hand.
PYTHONS =
NEEDED = 3.14 3.14t
WELCOME = 3.12 3.13 3.15 3.15t

help:
	@echo 'make demo     audit some 25 real distributions, print the table, leave reports/demo.json'
	@echo 'make test     every check; PYTHONS="3.14 3.13" chooses the Pythons'
	@echo 'make test-modwsgi  of these, what holds the verdicts against mod_wsgi in Apache'
	@echo 'make bench    side by side: what reads modules, and an audit of some 780 against the naive way'
	@echo 'make bench-upgrades  the audit after the upgrade of each of their distributions against the first'
	@echo 'make bench-serve  side by side: the host, mod_wsgi, granian and gunicorn, and what switch intervals do'
	@echo 'make test-declarations  what is read in real modules against what they return when they run'
	@echo 'make survey   reports/: what is so of about 70 popular distributions, on 3.14 with and without a GIL'
	@echo 'make wheel    build the wheel for `pip install`, into target/wheels'
	@echo 'make fuzz     feed the reader of declarations with damaged modules for ten minutes'
	@echo 'make pythons  print the Pythons of `make test`: export WSGIAUDIT_TEST_PYTHONS="$$(make -s pythons)"'

# Exit status 1 is what an audit of these distributions should end in: something is blocked.
demo:
	@set -e; \
	for version in 3.14 3.13 3.12; do \
		at_hand=$$($(python) --if-present $$version) && break; \
	done || { version=3.14; at_hand=$$($(python) 3.14); }; \
	demo=$$($(MAKE) -s demo-environment DEMO_PYTHON="$$at_hand"); \
	cargo build --release; \
	mkdir -p reports; \
	if free_threaded=$$($(python) $${version}t); then \
		set -- --free-threaded "$$free_threaded"; \
	else \
		echo "no free-threaded Python $${version}t to be had: free threading is left out" >&2; set --; \
	fi; \
	$(wsgiaudit) "$$demo" "$$@" --json reports/demo.json || [ $$? = 1 ]

# The virtualenv of `make demo`, made where it is not there yet.
demo-environment:
	@$(environment) demo "$(or $(DEMO_PYTHON),$$($(python) 3.14))" corpus/environments/demo.txt --require-hashes

# Distributions that switch the GIL on, and some that do not, for the free-threaded build.
switches-environment:
	@$(environment) switches-314t "$$($(python) 3.14t)" corpus/environments/switches-314t.txt --no-deps

# Web applications and frameworks, for the tests of --app.
applications-environment:
	@$(environment) applications "$$($(python) 3.14)" corpus/environments/applications.txt --no-deps

# Sites that are asked requests, for the tests of --requests. Two of them are to be had as sources alone, of pure Python.
sites-environment:
	@$(environment) sites "$$($(python) 3.14)" corpus/environments/sites.txt --no-deps --no-binary klaus,httpauth

# What makes extension modules of other languages, for corpus/.
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

test:
	@set -e; \
	WSGIAUDIT_TEST_SERVE=$$($(MAKE) -s serve-environment); \
	export WSGIAUDIT_TEST_SERVE; \
	WSGIAUDIT_TEST_BACKENDS=$$($(MAKE) -s backends-environment); \
	export WSGIAUDIT_TEST_BACKENDS; \
	WSGIAUDIT_TEST_GENERATORS=$$($(MAKE) -s generators-environment); \
	export WSGIAUDIT_TEST_GENERATORS; \
	WSGIAUDIT_TEST_APPLICATIONS=$$($(MAKE) -s applications-environment); \
	export WSGIAUDIT_TEST_APPLICATIONS; \
	WSGIAUDIT_TEST_SITES=$$($(MAKE) -s sites-environment); \
	export WSGIAUDIT_TEST_SITES; \
	WSGIAUDIT_TEST_TOOLS=$$($(MAKE) -s tools-environment); \
	export WSGIAUDIT_TEST_TOOLS; \
	WSGIAUDIT_TEST_SWITCHES=$$($(MAKE) -s switches-environment); \
	export WSGIAUDIT_TEST_SWITCHES; \
	WSGIAUDIT_TEST_DEMO=$$($(MAKE) -s demo-environment); \
	export WSGIAUDIT_TEST_DEMO; \
	WSGIAUDIT_TEST_MATURIN=$$($(MAKE) -s maturin); \
	export WSGIAUDIT_TEST_MATURIN; \
	tests/support/chromium >/dev/null; \
	command -v curl >/dev/null || apt-get install -y --no-install-recommends curl ca-certificates >&2; \
	WSGIAUDIT_TEST_MODWSGI=$$($(MAKE) -s modwsgi); \
	export WSGIAUDIT_TEST_MODWSGI; \
	WSGIAUDIT_TEST_PYTHONS=$$($(MAKE) -s pythons PYTHONS='$(PYTHONS)'); \
	export WSGIAUDIT_TEST_PYTHONS; \
	echo "Pythons: $$WSGIAUDIT_TEST_PYTHONS"; \
	set -x; \
	cargo fmt --all --check; \
	cargo clippy --workspace --all-targets -- -D warnings; \
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps; \
	cargo test --workspace

# Every name of the demo environment is imported in mod_wsgi too, in each kind of interpreter.
test-modwsgi:
	@set -e; \
	WSGIAUDIT_TEST_DEMO=$$($(MAKE) -s demo-environment); \
	export WSGIAUDIT_TEST_DEMO; \
	WSGIAUDIT_TEST_MODWSGI=$$($(MAKE) -s modwsgi); \
	export WSGIAUDIT_TEST_MODWSGI; \
	WSGIAUDIT_TEST_PYTHONS=$$($(MAKE) -s pythons PYTHONS='3.14 3.14t'); \
	export WSGIAUDIT_TEST_PYTHONS; \
	cargo test --test end-to-end apache_

# mod_wsgi built for 3.14 and its free-threaded build.
modwsgi:
	@set -e; \
	modules=; \
	for version in 3.14 3.14t; do \
		modules="$$modules $$version=$$($(modwsgi) modwsgi-$$version "$$($(python) $$version)")"; \
	done; \
	echo $$modules

# What running init functions return is asked once and kept: it takes minutes. Other machines' wheels are some
# 900 MB.
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
	@set -e; maturin=$$($(MAKE) -s maturin); "$$maturin" build --release

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
	"$$popular/bin/python" -I tests/bench/upgrades.py $(wsgiaudit) "$$popular" bcrypt MarkupSafe numpy

# Every distribution of that environment upgraded in turn, in ten minutes.
bench-upgrades:
	@set -e; \
	popular=$$($(environment) popular-314 "$$($(python) 3.14)" corpus/environments/popular-314.txt --no-deps --compile); \
	cargo build --release; \
	"$$popular/bin/python" -I tests/bench/upgrades.py $(wsgiaudit) "$$popular" >reports/upgrades-bench.new; \
	mv reports/upgrades-bench.new reports/upgrades-bench.txt; tail -n 1 reports/upgrades-bench.txt

# The host beside other servers, in five minutes. ROUNDS and SECONDS_EACH bound it otherwise. Needs wrk and Apache, which
# it installs as root.
bench-serve:
	@set -e; \
	command -v wrk >/dev/null || apt-get install -y --no-install-recommends wrk >&2; \
	servers=$$($(environment) servers "$$($(python) 3.14)" corpus/environments/servers.txt --no-deps); \
	module=$$($(modwsgi) modwsgi-3.14 "$$($(python) 3.14)"); \
	free=$$($(python) 3.14t); \
	cargo build --release; \
	"$$servers/bin/python" -I tests/bench/serve.py "$$PWD/$(wsgiaudit)" "$$module" "$$free" >reports/serve-bench.new; \
	mv reports/serve-bench.new reports/serve-bench.txt; cat reports/serve-bench.txt

# The survey in reports/, anew: some ten minutes and 2 GB. What the installers and the audit need is downloaded once.
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

# Ten minutes of damaged modules, on from those of tests/seeds and corpus/. Needs clang; gets cargo-fuzz. An input is
# read four times, each some fifteen times slower than outside.
fuzz:
	@set -e; \
	command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz; \
	include=$$("$$($(python) 3.14)" -c 'import sysconfig; print(sysconfig.get_path("include"))'); \
	mkdir -p tests/fuzz/corpus/inspect; \
	cp tests/seeds/*.so tests/seeds/*.pyd tests/fuzz/corpus/inspect; \
	for source in corpus/*/*.c; do \
		cc -w -O2 -fPIC -shared -s -I"$$include" "$$source" \
			-o "tests/fuzz/corpus/inspect/$$(basename "$$source" .c).so" || true; \
	done; \
	cd tests/fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir . inspect corpus/inspect -- \
		-max_total_time=600 -timeout=20 -rss_limit_mb=1024 -max_len=65536

clean:
	cargo clean
