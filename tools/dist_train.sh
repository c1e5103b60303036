#!/usr/bin/env bash
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_launch.sh"

usage() {
    cat <<EOF
Train in several processes, one a GPU:

    tools/dist_train.sh CONFIG NUM_PROCESSES [--device cpu|cuda] [options of tools/train.py]

With --device cpu the processes run on the processor and talk by gloo; otherwise each needs a CUDA GPU. Per process
the batch is train_dataloader.batch_size; --auto-scale-lr fits the learning rate to the batch of all processes.

$environment_help
EOF
}

launch train.py trains config -- "$@"
