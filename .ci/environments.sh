#!/usr/bin/env bash
# Tests in environments that would not get on with each other: both mims, and mmtrack. Each is a layer over one
# base environment, which has torch and the rest and is left as it is.
#
#     bash .ci/environments.sh BASE_VENV WORK_DIR
#
# Prints a line for each step with its seconds; the exit status is 1 where any fails, or skips a test. The base must not
# hold a wheel of mmgtrack: the layers could not put an editable install before it.
set -uo pipefail

if (($# != 2)); then
    echo 'usage: bash .ci/environments.sh BASE_VENV WORK_DIR' >&2
    exit 2
fi
base=$(cd "$1" && pwd) || exit 2
mkdir -p "$2" && work=$(cd "$2" && pwd) || exit 2
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repository" || exit 2
# a layer must see its own mmgtrack, not a checkout that the caller put first
unset PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK=1 OMP_WAIT_POLICY=PASSIVE
failed=()

step() {
    local name=$1 log="$work/step.log" start=$SECONDS
    shift
    if "$@" >"$log" 2>&1; then
        printf '%-36s %4s s  %s\n' "$name" "$((SECONDS - start))" "$(grep -E '^=* ?[0-9]+ passed' "$log" | tail -n 1)"
    else
        failed+=("$name")
        tail -n 60 "$log"
        printf '%-36s %4s s  FAILED\n' "$name" "$((SECONDS - start))"
    fi
}

packages_of() {
    "$1" -c '
from importlib.metadata import distributions
print("\n".join(sorted(f"{d.name}=={d.version} {d.locate_file(str())}" for d in distributions())))'
}

# An environment that sees the packages of the base after its own. pip, too, is the base's: it installs into the
# layer and does not touch what lies outside.
make_layer() {
    local python="$work/$1/bin/python"
    "$base/bin/python" -m venv --clear --without-pip "$work/$1" &&
        site_packages_of "$base/bin/python" >"$(site_packages_of "$python")/base.pth"
}

site_packages_of() {
    "$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
}

install() {
    local layer=$1
    shift
    "$work/$layer/bin/python" -m pip install --quiet "$@"
}

build_wheel() {
    rm -rf "$work/dist"
    "$base/bin/python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work/dist" "$repository"
}

# Where mmgtrack comes from: the checkout for editable installs, the layer for wheels.
check_origin() {
    (cd "$work" && "$work/$1/bin/python" -c '
import sys, mmgtrack
assert mmgtrack.__file__.startswith(sys.argv[1]), f"{mmgtrack.__file__} is not in {sys.argv[1]}"' "$2/")
}

# A test that is skipped here would be tested nowhere.
run_tests() {
    local layer=$1
    shift
    "$work/$layer/bin/python" -m pytest -q -p no:cacheprovider -rs "$@" | tee "$work/$layer.log"
    ((PIPESTATUS[0] == 0)) && ! grep -qE '(^|, )[0-9]+ (skipped|deselected)' "$work/$layer.log"
}

editable=(--no-deps --no-build-isolation --editable "$repository")
before=$(packages_of "$base/bin/python")

step 'onedl-mim: layer' make_layer onedl_mim
step 'onedl-mim: install' install onedl_mim --constraint requirements/constraints.txt onedl-mim==0.5.1
step 'onedl-mim: mmgtrack, editable' install onedl_mim "${editable[@]}"
step 'onedl-mim: which mmgtrack' check_origin onedl_mim "$repository"
step 'onedl-mim: tests' run_tests onedl_mim tests/mim

# it pins setuptools 60, which Python 3.12 does not bear, and much else: no constraints of ours
if "$base/bin/python" -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then
    step 'openmim: layer' make_layer openmim
    step 'openmim: install' install openmim openmim==0.3.9
    step 'openmim: build a wheel' build_wheel
    step 'openmim: mmgtrack, wheel' install openmim --no-deps --no-index --find-links "$work/dist" --force-reinstall mmgtrack
    step 'openmim: which mmgtrack' check_origin openmim "$work/openmim"
    step 'openmim: tests' run_tests openmim tests/mim
else
    echo 'openmim: left out, it cannot be installed for Python 3.12 and newer'
fi

step 'mmtrack: layer' make_layer mmtrack
step 'mmtrack: install' install mmtrack --no-deps --requirement requirements/mmtrack.txt
step 'mmtrack: mmgtrack, editable' install mmtrack "${editable[@]}"
step 'mmtrack: which mmgtrack' check_origin mmtrack "$repository"
step 'mmtrack: tests' run_tests mmtrack tests/compat/test_mmtrack.py

step 'the base is as it was' diff <(echo "$before") <(packages_of "$base/bin/python")

if ((${#failed[@]})); then
    printf 'failed: %s\n' "${failed[@]}"
    exit 1
fi
