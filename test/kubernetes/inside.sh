#!/usr/bin/env bash
# The first process inside the namespaces that `run` makes: prepares them, runs the command of its arguments, and ends with
# its status. When it ends, the kernel ends every process that is left.
set -euo pipefail

# The kubelet hands mounts on to containers, so they must be shared, inside these namespaces.
mount --make-rprivate /
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock

ip link set lo up
# The node's address, and those of what is outside of the cluster: names, the database, OCI. The address of the API
# server's Service is the node's as well, because OKE's token service listens there beside the API server.
ip link add node0 type bridge
ip link set node0 up
for address in 192.168.213.2/24 192.168.213.10/24 192.168.213.20/24 192.168.213.21/24 10.96.0.1/32; do
  ip address add "$address" dev node0
done
ip route add default dev node0
echo 1 >/proc/sys/net/ipv4/ip_forward

# Pods live in a control group of the test's own, which `run` removes.
for hierarchy in /sys/fs/cgroup/*/; do
  mkdir -p "$hierarchy$KUBERNETES_GROUP"
done
if [[ -d /sys/fs/cgroup/cpuset/$KUBERNETES_GROUP ]]; then
  cat /sys/fs/cgroup/cpuset/cpuset.cpus >"/sys/fs/cgroup/cpuset/$KUBERNETES_GROUP/cpuset.cpus"
  cat /sys/fs/cgroup/cpuset/cpuset.mems >"/sys/fs/cgroup/cpuset/$KUBERNETES_GROUP/cpuset.mems"
fi

"$@" &
wait $!
