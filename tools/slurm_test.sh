#!/usr/bin/env bash
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_slurm.sh"

usage() {
    cat <<EOF
Test in several processes of a SLURM job, one a GPU, which share out the sequences:

    tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [--device cpu|cuda] [options of tools/test.py]

With --device cpu the job asks for no GPUs; GPUS is then the number of processes. A job that was cut off goes on
where it was when the same command is given again.

$slurm_environment_help
EOF
}

check_words slurm_test.sh 'PARTITION JOB_NAME CONFIG CHECKPOINT' 4 "$@"
is_there "$3" || fail "no config file $3"
is_there "$4" || fail "no checkpoint file $4"
run_job "$1" "$2" test.py "$3" "$4" --launcher slurm "${@:5}"
