# shellcheck shell=bash disable=SC2034
# What every node of one cluster has in common. head.sh, worker.sh and slurm.sh read it; so may a shell that runs studies:
#     source cluster/environment.sh
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -d "$project/.venv/bin" ]; then PATH=$project/.venv/bin:$PATH; fi

# Without the token nobody runs anything; it is no encryption, so the ports below stay closed to all but the nodes.
export RAY_AUTH_MODE=token
export RAY_USAGE_STATS_ENABLED=0
# A node that is silent counts as lost after five checks in a row, 3 s apart, each of which waits 5 s: about 40 s (Ray's own: up to a minute and a
# half), longer where the head is busy. Its trials go on elsewhere from their last checkpoint. A node that is cut off gives up after 30 s, and may come back.
export RAY_health_check_period_ms=3000 RAY_health_check_timeout_ms=5000 RAY_health_check_failure_threshold=5
export RAY_gcs_rpc_server_reconnect_timeout_s=30

# Ports between the nodes, fixed so that a firewall can name them; CLEARER_PORT is the head's. One node a machine.
gcs_port=${CLEARER_PORT:-6379}
node_ports=(
    --node-manager-port=6380 --object-manager-port=6381 --runtime-env-agent-port=6382 --dashboard-agent-grpc-port=6383
    --dashboard-agent-listen-port=6384 --metrics-export-port=6385 --min-worker-port=10002 --max-worker-port=10999
)

# The cores that this shell may use (taskset, a container's quota); Ray would take all of the machine.
cores=$(PYTHONPATH=$project python3 -c 'from clearer.machine import cores; print(cores())' 2> /dev/null || nproc)

# The file that holds the token; Ray finds it at its own place by itself.
token_file=${RAY_AUTH_TOKEN_PATH:-${HOME:-}/.ray/auth_token}
