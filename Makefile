# A front: every target forwards to a script or to meson. `make help` lists them.
#   T=  names of tests, or --suite and a suite, or seconds      F=  a fuzz target      B=  a bench

T ?=
B ?= spine
SEEDS ?= 2000
DAYS ?= 4
FIRST ?= 1

.DEFAULT_GOAL := all
.PHONY: all run test crash sim asan tsan valgrind oom bench fuzz wasm cross ct cover tidy docs format demo packages clean help

all: packages ## build build/edn and build/ednd
	@bash -c '. scripts/lib.sh; configure build'
	@ninja -C build

run: ## build and start the server on loopback
	@scripts/run

test: ## every test, as CI runs them; T='base/base' or T='--suite unit' runs some
	@scripts/test $(T)

sim: ## the whole network in one process; SEEDS=2000 DAYS=4 FIRST=1
	@scripts/sim $(SEEDS) $(DAYS) $(FIRST)

asan: ## tests under AddressSanitizer and UBSan; T=
	@scripts/test --in asan $(T)

tsan: ## tests under ThreadSanitizer; T=
	@scripts/test --in tsan $(T)

valgrind: ## unit tests under valgrind's memcheck; T=
	@scripts/test --in valgrind $(T)

oom: ## every allocation fails once, in each module
	@scripts/test --suite oom

crash: ## power cuts at every write of the device's and the server's store
	@scripts/test store/crash server/crash

bench: all ## a benchmark and its peers, as ratios; B=spine, crdt or search; PEERS= leaves the peers out
	@scripts/bench $(B)

fuzz: ## fuzz a decoder under ASan; F=name (without: each), T=seconds each
	@scripts/fuzz $(F) $(T)

wasm: ## the pure modules for wasm32, their unit tests under node; T=
	@scripts/wasm $(T)

cross: ## aarch64 and big-endian s390x builds, their unit tests under qemu; T=
	@scripts/cross/run aarch64 $(T)
	@scripts/cross/run s390x $(T)

ct: ## nothing branches on a secret: src/crypto and src/keys under valgrind
	@scripts/test --suite ct

cover: ## coverage by the tests: build-cover/coverage.html; T=
	@scripts/test --in cover $(T)

tidy: all ## layout, include arrows, words, symbols, clang-tidy, gcc -fanalyzer; T=arrows runs one
	@scripts/tidy $(T)

docs: ## every link and path in the documents is there, and every column that the server keeps is listed
	@scripts/tidy docs

format: ## lay the C files out
	@scripts/tidy apply

demo: all ## the main job before your eyes: two devices, a server that can read nothing, a merge
	@scripts/demo

packages: ## install the Debian packages that a build needs
	@scripts/packages build

clean: ## remove all build folders
	@rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  \1	\2/p' $(MAKEFILE_LIST) | expand -t 14
