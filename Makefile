# make run      starts a local instance
# make test     runs everything that has to pass before a change is merged
# make matrix   runs what is published with the versions and package managers that hosts use
# make generate rebuilds the generated files
# make bench    measures and writes bench/RESULTS.md, on a machine that does nothing else; BENCHFLAGS="-only sync -against PATH"
#               compares sync with another build in the same rounds, and "-soak 30m" shows whether memory and files stay flat
# make bench-files measures the transfer of files alone (three minutes)
# make dist     makes a release: programs for all systems, packages, images; with SYSTEMS="linux/arm windows/amd64" programs alone. The
#               version is the tag of the commit, or VERSION=v1.2.3

DIST ?= dist
# Without a tag and in a source archive this is empty; then the program says what the Go tool recorded.
VERSION ?= $(shell git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null)

.PHONY: run test matrix generate bench bench-files dist clean

run:
	go run -v ./cmd/or3-cloud serve

test:
	./scripts/test

matrix:
	./scripts/matrix

generate:
	./scripts/generate

bench:
	cd bench && go run . $(BENCHFLAGS)

bench-files:
	./scripts/bench-files $(BENCHFLAGS)

dist:
	TAGS="$(TAGS)" ./scripts/dist "$(DIST)" "$(VERSION)" $(SYSTEMS)

clean:
	rm -rf dist
