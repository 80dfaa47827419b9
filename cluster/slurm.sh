#!/usr/bin/env bash
#SBATCH --job-name=clearer
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --open-mode=append
#SBATCH --output=clearer-%j.log
# Runs a study on the nodes of a Slurm job; the job's exit status is the study's:
#     sbatch [--nodes=N --gpus-per-node=G --time=…] cluster/slurm.sh -- studies/lambda_pareto.py --storage /shared/runs …
# Submit it from the project's folder, which every node sees, with its .venv. Two minutes before the time limit the study
# stops cleanly and the job is queued again; a job that was cancelled goes on when it is submitted again: the same command
# finishes what is missing.
#
# Not `ray symmetric-run`: it gives up a node whose Ray fails to start once, as on a busy machine, waits for exactly
# all of them and then fails, hides why, and ends with status 1 whatever the study's was.
set -um # m: the study gets a process group of its own, and with it the signal of Ctrl-C
cd "${SLURM_SUBMIT_DIR:?submit this with sbatch}" || exit 2
if [ "${1:-}" = -- ]; then shift; fi
if [ ! -f cluster/environment.sh ] || [ ! -f "${1:-}" ]; then
    echo "usage, in the project's folder: sbatch cluster/slurm.sh -- studies/lambda_pareto.py …" >&2
    exit 2
fi
# shellcheck source=environment.sh
source cluster/environment.sh

RAY_AUTH_TOKEN=$(python3 -c 'import secrets; print(secrets.token_hex(32))') # of this job alone; srun hands it to every node
export RAY_AUTH_TOKEN
export RAY_TMPDIR=/tmp/clearer-$SLURM_JOB_ID # /tmp/ray may be another user's
export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0 # nodes end when the study has; Slurm kills what takes longer

# The head is the first node, which is the one that runs this script. Its address, as another node resolves it: on many
# machines the own name is an address of loopback.
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
last=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tail -n 1)
address=${CLEARER_HEAD_ADDRESS:-$(srun --nodes=1 --ntasks=1 --nodelist="$last" getent ahostsv4 "$head" | awk 'NR == 1 {print $1}')}
everywhere=(srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --cpu-bind=none --no-kill --kill-on-bad-exit=0)

# shellcheck disable=SC2016 # what these name is expanded on the nodes
node='mkdir -p "$RAY_TMPDIR"
if [ "$SLURM_NODEID" = 0 ]; then set -- head.sh "$1"; else set -- worker.sh "$1:$2"; fi
exec bash "cluster/$1" "$2" --num-cpus="$SLURM_CPUS_ON_NODE"'
"${everywhere[@]}" bash -c "$node" node "$address" "$gcs_port" &
nodes=$!

stopped=
trap 'stopped=yes; kill -INT -- "-${study:-$nodes}"' USR1
if python cluster/nodes.py "$address:$gcs_port" "$SLURM_JOB_NUM_NODES" 300; then
    python "$@" --address "$address:$gcs_port" &
    study=$!
    wait "$study"
    status=$?
    if [ -n "$stopped" ]; then # the trap ended `wait`, not the study
        wait "$study"
        status=$?
    fi
else
    status=70
fi

kill -TERM "$nodes" 2>/dev/null
wait "$nodes"
# shellcheck disable=SC2016
"${everywhere[@]}" bash -c 'rm -rf "$RAY_TMPDIR"'
if [ -n "$stopped" ] && [ "$status" = 130 ]; then
    echo "the time limit is near: queued again"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
