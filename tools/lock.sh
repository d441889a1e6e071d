#!/bin/sh
# Writes requirements/*.txt: every package with its version and the hashes of its files,
# for every platform and Python at once. Keeps what is pinned; `--upgrade` moves it.
set -eu
cd "$(dirname "$0")/.."

compile() {
    output=$1
    shift
    # No configuration of this machine's, no index address, no path may reach the lock.
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-package privacyrights --custom-compile-command "make lock" \
        --output-file "requirements/$output" "$@" >/dev/null
}

compile runtime.txt "$@" --all-extras pyproject.toml clients/python/pyproject.toml
compile dev.txt "$@" --all-extras --group dev -c requirements/runtime.txt \
    pyproject.toml clients/cli/pyproject.toml clients/python/pyproject.toml
compile build.txt "$@" --group build -c requirements/dev.txt
