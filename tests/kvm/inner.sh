#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What runs in the outer guest, under a real KVM: inner.sh BUILD KERNEL. KERNEL is an image package or a kernel cache.
# What it writes under /run/share is there after the guest is gone (run --keep).

build=$1
kernel=$2
results=/run/share/results
passed=0
failed=0

mkdir -p "$results" /run/user/0
export HOME=/root XDG_RUNTIME_DIR=/run/user/0 XDG_STATE_HOME=/run/state XDG_CACHE_HOME=/run/cache
export PATH="$build/client:$build/daemon:$build/scheds:$PATH"

seconds() {
        cut -d. -f1 /proc/uptime
}

# check NAME COMMAND…: one test. Its output stays in the results, and is shown if it fails.
check() {
        name=$1
        shift
        started=$(seconds)
        if "$@" >"$results/$name" 2>&1; then
                passed=$((passed + 1))
                echo "ok   $name ($(($(seconds) - started)) s)"
        else
                failed=$((failed + 1))
                echo "FAIL $name ($(($(seconds) - started)) s):"
                tail -n 40 "$results/$name"
        fi
}

# json NAME EXPRESSION: is it true of what check NAME printed? `values` are the JSON values in it, in order.
json() {
        python3 -c 'import json, sys
text, values, at = open(sys.argv[1]).read(), [], 0
while (at := text.find("{", at)) >= 0:
    value, at = json.JSONDecoder().raw_decode(text, at)
    values.append(value)
assert eval(sys.argv[2]), values[-1:]' "$results/$1" "$2"
}

# The private daemon ends when told to, and with it every guest.
stop_daemon() {
        pid=$(ktstrctl status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])') &&
                kill "$pid" && timeout 20 tail --pid="$pid" -f /dev/null
}

nothing_is_left() {
        ! grep -E '^(ktstrd|qemu)' /proc/[0-9]*/comm
}

check unit-kvmprobe "$build/tests/unit/test_kvmprobe"
check unit-accel "$build/tests/unit/test_accel"
if [ -d "$kernel" ]; then
        export KTSTR_CACHE_DIR="$kernel"
else
        check import ktstrctl kernel import "$kernel"
fi
check doctor ktstrctl doctor --json
check doctor-chose-kvm json doctor 'any(a["name"] == "kvm" and a["usable"] and a["chosen"]
        for a in values[-1]["accelerators"])'
check cold ktstrctl shell --exec true --json
check cold-is-cold json cold 'values[-1]["verdict"]["guest"]["source"] == "cold"'
check prime ktstrctl pool prime 1n1l2c1t --idle 1
check submit ktstrctl submit --sched scx_ktstr --duration 5s --json
check submit-took-from-the-pool json submit 'values[-1]["verdict"]["guest"]["source"] == "pool"'
check submit-passed json submit 'values[-1]["verdict"]["verdict"] == "pass"'
check clone sh -c 'ktstrctl pool drop && ktstrctl shell --exec true --json'
check clone-is-a-clone json clone 'values[-1]["verdict"]["guest"]["source"] == "clone"'
check prime-again ktstrctl pool prime 1n1l2c1t --idle 2
check hit ktstrctl shell --exec "cut -d. -f1 /proc/uptime" --json
check hit-is-a-hit json hit 'values[-1]["verdict"]["guest"]["source"] == "pool"'
# A guest that was parked for a while must not take the time for a lockup, and what it counts goes on from where it stopped.
check parked-long sh -c 'sleep 25; date +%s >"$1/parked-long-at"
        ktstrctl shell --json --exec "cut -d. -f1 /proc/uptime; date +%s; dmesg |
                grep -E \"BUG:|WARNING:|soft lockup|rcu.*stall|hung|unstable\"; cat /sys/kernel/sched_ext/state; true" &&
                date +%s >>"$1/parked-long-at"' sh "$results"
check parked-long-is-a-hit json parked-long 'values[-1]["verdict"]["guest"]["source"] == "pool"'
# Of the template's boot, which is in the uptime of each of its clones, nobody knows how long it takes here.
check parked-long-was-no-time sh -c 'python3 - "$1" <<"END"
import json, sys
def printed(name):
    return "".join(e.get("text", "") for e in map(json.loads, open(f"{sys.argv[1]}/{name}")) if e.get("stream") == "stdout").split()
hit, text = printed("hit"), printed("parked-long")
began, ended = map(int, open(f"{sys.argv[1]}/parked-long-at").read().split())
assert len(text) == 3 and text[2] == "disabled", text
assert int(text[0]) - int(hit[0]) < 20, (hit, text)
assert began - 10 < int(text[1]) < ended + 10, (began, text, ended)
END' sh "$results"
check submit-under-kvm json submit 'values[-1]["verdict"]["guest"]["accel"] == "kvm"'
check stall-is-ejected sh -c 'ktstrctl submit --sched scx_ktstr --duration 2s --json -- --stall-after 1; [ $? -eq 1 ]'
check stall-has-its-words json stall-is-ejected 'values[-1]["verdict"]["scheduler"]["exit_kind"] == "error_stall"'
# Four vCPUs on the one outer CPU have enough to do without clones that are made beside them.
check drop ktstrctl pool drop
check topology ktstrctl shell --topology 1n2l1c2t --exec 'cat /sys/devices/system/cpu/cpu*/cache/index3/shared_cpu_list \
        /sys/devices/system/cpu/cpu*/topology/thread_siblings_list'
check topology-is-right sh -c '[ "$(echo $(cat "$1/topology"))" = "0-1 0-1 2-3 2-3 0-1 0-1 2-3 2-3" ]' sh "$results"
check ratio python3 - "$results/cold" "$results/clone" "$results/hit" <<'END'
import json, sys
took = []
for path in sys.argv[1:]:
    at = {e["state"]: e["time_us"] for e in map(json.loads, filter(lambda l: l.startswith("{"), open(path))) if e["kind"] == "guest"}
    took.append((at["running"] - at["booting"]) / 1000)
print("from the job's turn to its guest: cold %.0f ms, clone %.0f ms, hit %.0f ms: %.0f : %.1f : 1" %
      (*took, took[0] / took[2], took[1] / took[2]))
assert took[0] > 4 * took[1] > 4 * took[2], took
END
cat "$results/ratio"
check stop stop_daemon
check nothing-left nothing_is_left

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
