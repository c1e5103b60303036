#!/usr/bin/env bash
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_launch.sh"

usage() {
    cat <<EOF
Test in several processes, one a GPU, which share out the sequences:

    tools/dist_test.sh CONFIG CHECKPOINT NUM_PROCESSES [--device cpu|cuda] [options of tools/test.py]

With --device cpu the processes run on the processor; otherwise each needs a CUDA GPU. All of them write into one
folder, which all machines must see. Started again after it was cut off, with any number of processes, a test goes
on where it was; on the processor with the same OMP_NUM_THREADS.

$environment_help
EOF
}

launch test.py tests config checkpoint -- "$@"
