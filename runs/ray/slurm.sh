#!/usr/bin/env bash
# A run on the nodes of a SLURM job. What follows the script is the command line of evo-bnas:
#
#   sbatch --nodes=4 runs/ray/slurm.sh run runs/cifar10-cpu.yaml --out /shared/runs/cifar10-cpu --workers 60
#
# Submitted again, as SLURM does after a preemption, it goes on where it was. The checkout, its .venv and the
# folder of the run are on a file system that all nodes see.
#SBATCH --job-name=evo-bnas
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --requeue
set -euo pipefail

export PATH="$SLURM_SUBMIT_DIR/.venv/bin:$PATH"
export OMP_WAIT_POLICY=PASSIVE RAY_USAGE_STATS_ENABLED=0
export RAY_AUTH_MODE=token # other users of the network may not send jobs to this cluster
export RAY_worker_niceness=0 # by default workers give way to all else on a node
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300
ray get-auth-token --generate >/dev/null # in ~/.ray, unless there is one

# The head is the first node; evo-bnas reads its address from RAY_ADDRESS.
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
export RAY_ADDRESS="${nodes%%$'\n'*}:$((20000 + SLURM_JOB_ID % 10000))"

# A folder of its own, since /tmp/ray may be another user's.
folder="/tmp/ray-$SLURM_JOB_ID"
trap 'srun rm -rf "$folder"' EXIT
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    ray symmetric-run --address "$RAY_ADDRESS" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus="$SLURM_CPUS_PER_TASK" --temp-dir="$folder" \
    -- evo-bnas "$@"
