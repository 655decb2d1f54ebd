# umbra's jobs. `make help` lists them.

# The prompt of `make run`: make run PROMPT='...' ARGS='--temperature 0.8'
define PROMPT
package main

import "fmt"

func main() {

endef
# Text for the program goes through the environment, so that the shell takes no part in it.
PROMPT_TEXT := $(value PROMPT)
export PROMPT_TEXT

ARGS     =
FUZZTIME = 30s
TARGETS  = linux/amd64,windows/amd64

ifeq ($(OS),Windows_NT)
EXE := .exe
endif
UMBRA := bin/umbra$(EXE)

# ./... leaves out folders named testdata; those of them that hold Go code are named.
PACKAGES := ./... $(addprefix ./,$(patsubst %/,%,$(sort $(dir $(wildcard testdata/*.go testdata/*/*.go)))))

# Shaders as compiled, and what other front ends make of them. Tests run in their packages' folders, hence the full path.
SHADERS := out/shaders
DUMP    := UMBRA_DUMP_SHADERS="$(CURDIR)/$(SHADERS)/wgsl"

.PHONY: help run test bench quant-table bench-check build setup browser screenshot lint shaders-check shaders-clean fuzz soak release release-check setup-windows clean
.NOTPARALLEL:

## help           list these targets
help:
	@sed -n 's/^## /  make /p' Makefile

## run            generate text with the model in testdata (PROMPT=..., ARGS=...)
run: build
	$(UMBRA) run --max-tokens 96 --echo $(ARGS) "$$PROMPT_TEXT"

## test           every check: lint, all tests, all shaders through other front ends
# -count=1: results from the cache would dump no shaders.
test: lint shaders-clean browser
	.ci/setup_test.sh
	.ci/browser_test.sh
	$(DUMP) go test -count=1 -timeout 20m $(PACKAGES)
	go run ./cmd/shaderscheck -o $(SHADERS) $(SHADERS)/wgsl
	cd .ci/check && go test -count=1 ./...

## bench          Go benchmarks, then the model and the kernels on this device
bench: build
	go test -run '^$$' -bench . -timeout 1h $(PACKAGES)
	$(UMBRA) bench
	$(UMBRA) bench ops

## quant-table    what each weight type costs: the table and plot of docs/quantization.md (minutes on a GPU, hours on a CPU)
quant-table: build
	go run ./cmd/quanttable -umbra $(UMBRA)

## bench-check    each kernel beside the adapter's peaks and a plain kernel: status 1 if one is far slower than recorded
bench-check: build
	$(UMBRA) bench ops --check

## build          bin/umbra
build: setup
	go build -o $(UMBRA) ./cmd/umbra

## setup          install what is missing: C compiler, Vulkan loader, Vulkan driver
setup:
	@.ci/setup.sh

# browser installs Chromium for the tests of the server's page, where it may; they skip without.
browser:
	@.ci/browser.sh

## screenshot     docs/page.png, the README's picture of the server's page
screenshot: setup browser
	UMBRA_SCREENSHOT="$(CURDIR)/docs/page.png" go test -count=1 -v -run TestScreenshot ./cmd/umbra/internal/server

## lint           gofmt, go vet, staticcheck
lint: setup
	@bad=$$(gofmt -l .) && if [ -n "$$bad" ]; then echo "gofmt -w needed:"; echo "$$bad"; exit 1; fi
	go vet $(PACKAGES)
	go tool staticcheck $(PACKAGES)

## shaders-check  all kernels through the other WGSL front ends installed (naga, tint, dawn)
shaders-check: setup shaders-clean
	$(DUMP) go test -count=1 -timeout 20m ./shaders/...
	go run ./cmd/shaderscheck -o $(SHADERS) $(SHADERS)/wgsl

shaders-clean:
	@rm -rf $(SHADERS) && mkdir -p $(SHADERS)/wgsl

## fuzz           every fuzz target for FUZZTIME (30s)
fuzz: setup
	@.ci/fuzz.sh $(FUZZTIME) $(PACKAGES)

## soak           the long variants of the tests
soak: setup
	UMBRA_SOAK=1 go test -count=1 -timeout 2h $(PACKAGES)

## release        dist/: archives for Linux and Windows (TARGETS=...) with licences, and their checksums
release: setup-windows
	go run ./cmd/release -targets $(TARGETS)

## release-check  build what is committed twice from nothing, and compare to the byte
release-check: setup-windows
	go run ./cmd/release -check -targets $(TARGETS)

setup-windows:
	@SETUP_CROSS=windows .ci/setup.sh

## clean          remove what was built
clean:
	rm -rf bin out dist
