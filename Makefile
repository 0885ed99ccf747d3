# make run      starts a local instance
# make test     runs everything that has to pass before a change is merged
# make generate writes the generated files anew
# make dist     builds the program for release

.PHONY: run test generate dist clean

run:
	go run ./cmd/or3-cloud serve

test:
	./scripts/test

generate:
	./scripts/generate

dist:
	CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o dist/or3-cloud ./cmd/or3-cloud

clean:
	rm -rf dist
