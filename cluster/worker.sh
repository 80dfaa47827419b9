#!/usr/bin/env bash
# Makes this machine a node of a running cluster until Ctrl-C:
#     cluster/worker.sh HEAD:6379 [options of `ray start`]
# A node that was cut off from the head never rejoins by itself: Ray ends. So this starts it again, as a new node, as
# soon as the head answers, and a head that was started anew gets its nodes back.
set -euo pipefail
# shellcheck source=environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

head=${1:?usage: cluster/worker.sh HEAD:PORT [options of ray start]}
shift
if [ -z "${RAY_AUTH_TOKEN:-}" ] && [ ! -s "$token_file" ]; then
    echo "no token: copy $token_file from the head to here (chmod 600), or set RAY_AUTH_TOKEN" >&2
    exit 2
fi
node=
leave() {
    trap - TERM INT
    if [ -n "$node" ] && kill -TERM "$node" 2>/dev/null; then wait "$node" || true; fi
    exit 130
}
trap leave TERM INT
until (exec 3<> "/dev/tcp/${head%:*}/${head##*:}") 2>/dev/null; do
    echo "no head answers at $head yet"
    sleep 5 & wait $!
done
while true; do
    ray start --block --address="$head" "${node_ports[@]}" --num-cpus="$cores" "$@" & node=$!
    wait "$node" || true
    node=
    echo "this node has left the cluster at $(date '+%F %T'); joining again"
    sleep 5 & wait $!
done
