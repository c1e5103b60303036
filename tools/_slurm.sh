# Shared by slurm_train.sh and slurm_test.sh: one of the tools as a SLURM job, a process a GPU.

slurm_environment_help='Environment:
    GPUS            GPUs in all (8)
    GPUS_PER_NODE   GPUs a machine (8, or GPUS if that is less)
    CPUS_PER_TASK   cores a GPU: a process and its data loader'\''s workers (5)
    SRUN_ARGS       more options of srun, such as '\''--time=2-0 --quotatype=reserved'\''
    MASTER_PORT     port of the first machine (20000 to 29999, by the number of the job)
    PYTHON          interpreter (python)'

source "$(dirname "${BASH_SOURCE[0]}")/_common.sh"

# check_words SCRIPT WORDS COUNT ARGUMENTS...: print the help of the script, or refuse too few arguments.
check_words() {
    local script=$1 words=$2 count=$3
    shift 3
    answer_help "$@"
    (($# >= count)) || fail "expected $words; tools/$script --help says more"
}

# run_job PARTITION JOB_NAME TOOL ARGUMENTS...: of the tool; --device cpu among them asks for no GPUs.
run_job() {
    local partition=$1 job=$2 tool=$3 gpus per_node cores resources argument previous=
    shift 3
    gpus=${GPUS:-8}
    [[ $gpus =~ ^[1-9][0-9]*$ ]] || fail "GPUS must be a whole number from 1, got '$gpus'"
    per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    [[ $per_node =~ ^[1-9][0-9]*$ ]] || fail "GPUS_PER_NODE must be a whole number from 1, got '$per_node'"
    ((gpus % per_node == 0)) || fail "GPUS=$gpus is not a multiple of GPUS_PER_NODE=$per_node"
    cores=${CPUS_PER_TASK:-5}
    [[ $cores =~ ^[1-9][0-9]*$ ]] || fail "CPUS_PER_TASK must be a whole number from 1, got '$cores'"
    command -v srun >/dev/null ||
        fail "no srun here: this script starts a SLURM job; tools/dist_${tool%.py}.sh needs no SLURM"
    resources=("--gres=gpu:$per_node")
    for argument in "$@"; do
        if [[ $argument == --device=cpu || $previous$argument == --devicecpu ]]; then
            resources=()
        fi
        previous=$argument
    done
    export PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}"
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
    export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}
    # SRUN_ARGS is meant to be taken apart
    # shellcheck disable=SC2086
    exec srun --partition="$partition" --job-name="$job" ${resources[@]+"${resources[@]}"} \
        --ntasks="$gpus" --ntasks-per-node="$per_node" --cpus-per-task="$cores" --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} "${PYTHON:-python}" -u "$tools/$tool" "$@"
}
