#!/usr/bin/env bash
# Runs a command in a control group that has no more than so much memory, pages of files included.
#
#   in_memory.sh MIB COMMAND ARGUMENT...
#
# Ends as the command does, or with 77 and the reason on standard error where no such group can be
# made: that takes root, or a group that belongs to this user.
set -uo pipefail

cannot() {
    echo "no group with ${mib} MiB of memory: $1" >&2
    exit 77
}

mib=$1
shift
mount=/sys/fs/cgroup
if [ -d $mount/memory ]; then # version 1
    parent=$mount/memory limit=memory.limit_in_bytes
elif [ -f $mount/cgroup.controllers ]; then
    parent=$mount limit=memory.max
    grep -qw memory $mount/cgroup.controllers || cannot 'the controller is not there'
    grep -qw memory $mount/cgroup.subtree_control ||
        echo +memory 2>/dev/null >$mount/cgroup.subtree_control ||
        cannot "$mount/cgroup.subtree_control cannot be written"
else
    cannot "$mount has no memory controller"
fi
group=$parent/hannoy-test-$$
mkdir "$group" 2>/dev/null || cannot "$parent cannot be written"
trap 'rmdir "$group" 2>/dev/null || { sleep 1; rmdir "$group"; }' EXIT
echo $((mib << 20)) 2>/dev/null >"$group/$limit" || cannot "$group/$limit cannot be written"
# Without swap the limit is one of memory.
for swap in memory.swap.max memory.memsw.limit_in_bytes; do
    [ ! -f "$group/$swap" ] || { [ $swap = memory.swap.max ] && echo 0 || echo $((mib << 20)); } \
        2>/dev/null >"$group/$swap" || true
done
(
    echo $BASHPID 2>/dev/null >"$group/cgroup.procs" || cannot "$group cannot be joined"
    exec "$@"
)
