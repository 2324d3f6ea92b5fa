#!/usr/bin/env bash
# A run on the nodes of a SLURM job. The arguments after the script are those of evo-bnas:
#
#   sbatch --nodes=4 runs/ray/slurm.sh run runs/cifar10-cpu.yaml --out /shared/runs/cifar10-cpu --workers 60
#
# If it is submitted again, as SLURM does after a preemption, the run resumes. The checkout, its .venv and the
# folder of the run must be on a file system that all nodes share.
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
export RAY_AUTH_MODE=token # other users of the network cannot use this cluster
export RAY_worker_niceness=0 # by default, Ray gives workers a low priority
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300
ray get-auth-token --generate >/dev/null # writes it to ~/.ray, unless there is one

# The first node is the head; evo-bnas reads its address from RAY_ADDRESS.
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
export RAY_ADDRESS="${nodes%%$'\n'*}:$((20000 + SLURM_JOB_ID % 10000))"

# Not /tmp/ray, which may belong to another user.
folder="/tmp/ray-$SLURM_JOB_ID"
trap 'srun rm -rf "$folder"' EXIT
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    ray symmetric-run --address "$RAY_ADDRESS" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus="$SLURM_CPUS_PER_TASK" --temp-dir="$folder" \
    -- evo-bnas "$@"
