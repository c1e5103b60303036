#!/usr/bin/env bash
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_slurm.sh"

usage() {
    cat <<EOF
Train in several processes of a SLURM job, one a GPU:

    tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [--device cpu|cuda] [options of tools/train.py]

With --device cpu the job asks for no GPUs; GPUS is then the number of processes.

$slurm_environment_help
EOF
}

check_words slurm_train.sh 'PARTITION JOB_NAME CONFIG WORK_DIR' 4 "$@"
is_there "$3" || fail "no config file $3"
run_job "$1" "$2" train.py "$3" --work-dir "$4" --launcher slurm "${@:5}"
