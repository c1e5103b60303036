#!/usr/bin/env bash
set -euo pipefail

usage() {
    cat <<'EOF'
Train in several processes, one a GPU:

    tools/dist_train.sh CONFIG NUM_PROCESSES [--device cpu|cuda] [options of tools/train.py]

With --device cpu the processes run on the processor and talk by gloo; otherwise each needs a CUDA GPU. Per process
the batch is train_dataloader.batch_size; --auto-scale-lr fits the learning rate to the batch of all processes.

Environment:
    NNODES, NODE_RANK          number of machines (1), number of this one from 0 (0); start the script on each
    MASTER_ADDR, PORT          address and port of the first machine (127.0.0.1, a free port; 29500 if NNODES > 1)
    CUDA_VISIBLE_DEVICES       which GPUs to use (all)
    OMP_NUM_THREADS            threads a process (on GPUs 1, else the processor's cores shared out)
    PYTHON                     interpreter (python)
EOF
}

fail() {
    echo "error: $1" >&2
    exit 2
}

for argument in "$@"; do
    case $argument in
        -h | --help)
            usage
            exit
            ;;
    esac
done
(($# >= 2)) || fail 'expected CONFIG NUM_PROCESSES; tools/dist_train.sh --help says more'
config=$1
processes=$2
shift 2
[[ -f $config ]] || fail "no config file $config"
[[ $processes =~ ^[1-9][0-9]*$ ]] || fail "NUM_PROCESSES must be a whole number from 1, got '$processes'"

device=cuda
options=()
while (($#)); do
    case $1 in
        --device)
            device=${2-}
            shift "$(($# > 1 ? 2 : 1))"
            ;;
        --device=*)
            device=${1#*=}
            shift
            ;;
        *)
            options+=("$1")
            shift
            ;;
    esac
done

python=${PYTHON:-python}
case $device in
    cpu) export CUDA_VISIBLE_DEVICES=-1 ;;
    cuda) gpus=$("$python" -c 'import torch; print(torch.cuda.device_count())') ;;
    *) fail "--device must be cpu or cuda, got '$device'" ;;
esac
if [[ $device == cuda ]]; then
    ((processes <= gpus)) ||
        fail "$processes processes need as many CUDA GPUs, but torch can use $gpus here; --device cpu trains on the processor"
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
else
    echo "no CUDA GPU is used: $processes processes on the processor"
    cores=$("$python" -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())')
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((cores > processes ? cores / processes : 1))}
fi
export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}

nodes=${NNODES:-1}
port=${PORT:-}
if [[ -z $port ]]; then
    port=29500
    ((nodes > 1)) || port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
fi

folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH="$folder/..${PYTHONPATH:+:$PYTHONPATH}"
# torchrun, without its forty lines for a process that has said itself what went wrong
exec "$python" -c '
import sys
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main
try:
    main(sys.argv[1:])
except ChildFailedError as error:
    rank, failure = error.get_first_failure()
    status = failure.exitcode
    print(f"error: process {rank} ended with status {status}; see above what it said", file=sys.stderr)
    sys.exit(status if status > 0 else 1)
except SignalException as error:
    sys.exit(128 + error.sigval)
' --nnodes="$nodes" --node-rank="${NODE_RANK:-0}" --nproc-per-node="$processes" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="$port" \
    "$folder/train.py" "$config" --launcher pytorch ${options[@]+"${options[@]}"}
