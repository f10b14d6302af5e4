# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon by itself: how fast it answers, what a connection costs, what it does when nobody wants anything."""

import json
import resource
import subprocess
import time

import ktstr_test as kt
from lib import host
from lib.report import AT_LEAST, AT_MOST, Target

ABOUT = "Ping over the socket, idle connections, the idle daemon"

CONNECTIONS = 1000
DEPTH = 32
PING = b'{"method":"io.ktstrd.Daemon.Ping","parameters":{}}\0'
PONG = b'{"parameters":{}}\0'


def ping(socket):
    socket.sendall(PING)
    answer = b""
    while len(answer) < len(PONG):
        got = socket.recv(len(PONG) - len(answer))
        if not got:
            break
        answer += got
    if answer != PONG:
        raise RuntimeError(f"the answer to a ping was {answer!r}")


def calls(bench, daemon, seconds, depth):
    program = kt.BUILD / "bench/ktstr-bench-ping"
    got = subprocess.run([program, daemon.socket, str(seconds), str(depth)], capture_output=True, text=True)
    if got.returncode != 0:
        raise RuntimeError(f"{program}: {got.stderr}")
    return json.loads(got.stdout)


def measure_calls(bench):
    """In slices, so that a moment in which the machine was busy is seen as one."""
    one = bench.figure("ping, one after the other", "calls/s", [Target("median", AT_LEAST, 20000)])
    trip = bench.figure("ping, round trip", "us", note="the median of each slice")
    many = bench.figure(f"ping, {DEPTH} under way", "calls/s")
    slice_s = bench.seconds / 60

    with bench.daemon() as daemon:
        def sequential():
            got = calls(bench, daemon, slice_s, 1)
            one.add(got["per_second"])
            trip.add(got["us"]["p50"])

        def pipelined():
            many.add(calls(bench, daemon, slice_s, DEPTH)["per_second"])

        bench.interleave([(sequential, 4), (pipelined, 2)])


def measure_connections(bench):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    used = bench.figure("idle connection that was used", "KB", [Target("max", AT_MOST, 20)])
    unused = bench.figure("idle connection that never was", "KB", [Target("max", AT_MOST, 20)])
    for _ in range(bench.rounds):
        with bench.daemon() as daemon:
            pid, wires = daemon.process.pid, []
            try:
                with daemon.connect() as first:
                    ping(first.socket)
                    before = host.rollup(pid, "Rss")
                    wires += [daemon.connect() for _ in range(CONNECTIONS)]
                    ping(first.socket)
                    unused.add((host.rollup(pid, "Rss") - before) / CONNECTIONS / 1000)
                    for wire in wires:
                        ping(wire.socket)
                    used.add((host.rollup(pid, "Rss") - before) / CONNECTIONS / 1000)
            finally:
                for wire in wires:
                    wire.socket.close()


def measure_idle(bench):
    woken = bench.figure("idle daemon, wake-ups", "/min", [Target("max", AT_MOST, 0)],
                         note="without systemd, so without a watchdog; all threads")
    rss = bench.figure("idle daemon, RSS", "MB", [Target("max", AT_MOST, 15)])
    with bench.daemon() as daemon:
        daemon.accelerator()
        pid = daemon.process.pid
        before = host.settled_wakeups(pid)
        bench.say(f"idle for {bench.seconds:.0f} s")
        time.sleep(bench.seconds)
        woken.add((host.wakeups(pid) - before) * 60 / bench.seconds)
        rss.add(host.rollup(pid, "Rss") / 1e6)


def run(bench):
    measure_calls(bench)
    measure_connections(bench)
    measure_idle(bench)
