# Shared by dist_train.sh and dist_test.sh: one of the tools in several processes, one a GPU.

environment_help='Environment:
    NNODES, NODE_RANK          number of machines (1), number of this one from 0 (0); start the script on each
    MASTER_ADDR, PORT          address and port of the first machine (127.0.0.1, a free port; if NNODES > 1 the
                               address must be given, and the port is 29500)
    CUDA_VISIBLE_DEVICES       which GPUs to use (all)
    OMP_NUM_THREADS            threads a process (on GPUs 1, else the cores of the processor shared out)
    PYTHON                     interpreter (python)'

source "$(dirname "${BASH_SOURCE[0]}")/_common.sh"

# launch TOOL VERB KIND... -- ARGUMENTS of the script: a file of each kind, NUM_PROCESSES, options of the tool.
# VERB is what the tool does, for messages; `usage` prints the help of the script.
launch() {
    local tool=$1 verb=$2 kinds=() files=() processes options=() device=cuda argument
    shift 2
    while [[ $1 != -- ]]; do
        kinds+=("$1")
        shift
    done
    shift
    answer_help "$@"
    (($# > ${#kinds[@]})) || fail "expected $(tr a-z A-Z <<<"${kinds[*]}") NUM_PROCESSES; tools/dist_${tool%.py}.sh --help says more"
    for argument in "${kinds[@]}"; do
        is_there "$1" || fail "no $argument file $1"
        files+=("$1")
        shift
    done
    processes=$1
    shift
    [[ $processes =~ ^[1-9][0-9]*$ ]] || fail "NUM_PROCESSES must be a whole number from 1, got '$processes'"
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
    choose_device "$device" "$processes" "$verb"
    run_processes "$processes" "$tools/$tool" "${files[@]}" --launcher pytorch ${options[@]+"${options[@]}"}
}

# choose_device DEVICE PROCESSES VERB: hide the GPUs or count them, and share out the threads.
choose_device() {
    local device=$1 processes=$2 verb=$3 gpus cores
    case $device in
        cpu) export CUDA_VISIBLE_DEVICES=-1 ;;
        cuda) gpus=$("$python" -c 'import torch; print(torch.cuda.device_count())') ;;
        *) fail "--device must be cpu or cuda, got '$device'" ;;
    esac
    if [[ $device == cuda ]]; then
        ((processes <= gpus)) ||
            fail "$processes processes need as many CUDA GPUs, but torch can use $gpus here; --device cpu $verb on the processor"
        export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
    else
        echo "no CUDA GPU is used: $processes processes on the processor"
        cores=$("$python" -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())')
        export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((cores > processes ? cores / processes : 1))}
    fi
    export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}
}

# check_machines NNODES NODE_RANK
check_machines() {
    local nodes=$1 rank=$2
    [[ $nodes =~ ^[1-9][0-9]*$ ]] || fail "NNODES must be a whole number from 1, got '$nodes'"
    [[ $rank =~ ^(0|[1-9][0-9]*)$ ]] || fail "NODE_RANK must be a whole number from 0, got '$rank'"
    ((rank < nodes)) || fail "NODE_RANK must be below NNODES=$nodes, got $rank: machines are counted from 0"
    ((nodes == 1)) || [[ -n ${MASTER_ADDR:-} ]] ||
        fail "NNODES=$nodes needs MASTER_ADDR, the address of the first machine"
}

# run_processes PROCESSES COMMAND...: torchrun, without its forty lines for a process that has said itself
# what went wrong.
run_processes() {
    local processes=$1 nodes=${NNODES:-1} port=${PORT:-}
    shift
    check_machines "$nodes" "${NODE_RANK:-0}"
    if [[ -z $port ]]; then
        port=29500
        ((nodes > 1)) || port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
    fi
    export PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}"
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
        --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="$port" "$@"
}
