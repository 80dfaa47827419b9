#!/usr/bin/env bash
# Makes this machine the head of a cluster until Ctrl-C:
#     cluster/head.sh ADDRESS [options of `ray start`]
# ADDRESS is this machine's address in the network of the nodes. The first start makes the token that all nodes need.
set -euo pipefail
# shellcheck source=environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

address=${1:?usage: cluster/head.sh ADDRESS [options of ray start]; ADDRESS: of this machine, as the other nodes reach it}
shift
if [ -z "${RAY_AUTH_TOKEN:-}" ] && [ ! -s "$token_file" ]; then
    (umask 077 && mkdir -p "$(dirname "$token_file")" && python3 -c 'import secrets; print(secrets.token_hex(32), end="")' > "$token_file")
    echo "made a token: $token_file; copy it to the same place on every node, readable by you alone"
fi
echo "on every other node: cluster/worker.sh $address:$gcs_port"
echo "a study, here:       python studies/lambda_pareto.py --address $address:$gcs_port --storage A_SHARED_FOLDER_OR_S3"
exec ray start --head --block --node-ip-address="$address" --port="$gcs_port" "${node_ports[@]}" \
    --dashboard-host=127.0.0.1 --disable-usage-stats --num-cpus="$cores" "$@"
