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
# Submit it from the project's folder, which every node sees, with its .venv. --exclusive: Ray takes whole nodes, and
# refuses to start where another Ray runs. Two minutes before the time limit the study stops cleanly and the job is
# queued again; a job that was cancelled goes on when it is submitted again: the same command finishes what is missing.
set -uo pipefail
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
export RAY_gcs_rpc_server_reconnect_timeout_s=5 # the nodes end at once when the head has
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300
export RAY_TMPDIR=/tmp/clearer-$SLURM_JOB_ID # /tmp/ray may be another user's

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
last=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tail -n 1)
# As another node resolves it: on many machines the own name is an address of loopback.
address=${CLEARER_HEAD_ADDRESS:-$(srun --nodes=1 --ntasks=1 --nodelist="$last" getent ahostsv4 "$head" | awk 'NR == 1 {print $1}')}
everywhere=(srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --cpu-bind=none --no-kill --kill-on-bad-exit=0)

# Ray swallows a head that fails to start, and turns the study's exit status into 1: the study leaves its own here,
# on the head, which is the node that runs this script too.
CLEARER_LEFT=$(mktemp -d)
export CLEARER_LEFT
# shellcheck disable=SC2016 # what these name is expanded on the nodes
node='mkdir -p "$RAY_TMPDIR" && exec ray symmetric-run --num-cpus="$SLURM_CPUS_ON_NODE" "$@"' \
    study='(echo "$BASHPID" > "$CLEARER_LEFT/process"; exec "$@"); echo "$?" > "$CLEARER_LEFT/status"'

queue_again=
# shellcheck disable=SC2317 # called by the trap
stop_in_time() {
    queue_again=yes
    kill -INT "$(cat "$CLEARER_LEFT/process")" 2>/dev/null
}
trap stop_in_time USR1
"${everywhere[@]}" bash -c "$node" node --address="$address:$gcs_port" --min-nodes="$SLURM_JOB_NUM_NODES" "${node_ports[@]}" \
    --dashboard-host=127.0.0.1 -- bash -c "$study" study python "$@" --address "$address:$gcs_port" &
step=$!
until wait "$step" || ! kill -0 "$step" 2>/dev/null; do :; done # a signal ends `wait`, not the step

if ! status=$(cat "$CLEARER_LEFT/status" 2>/dev/null); then
    echo "the study did not run to an end: see above, and the logs of Ray in $RAY_TMPDIR on each node" >&2
    status=70
fi
rm -rf "$CLEARER_LEFT"
# shellcheck disable=SC2016
"${everywhere[@]}" bash -c 'rm -rf "$RAY_TMPDIR"' || true
if [ -n "$queue_again" ] && [ "$status" = 130 ]; then
    echo "the time limit is near: queued again"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
