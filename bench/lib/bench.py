# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a subject starts: daemons of this build in folders of their own, their clients, guests by hand. All of it ends with the subject."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import ktstr_test as kt

SHAPE = "1n1l2c1t"
MEMORY_MIB = 256


class Unavailable(Exception):
    """This build or this machine does not have what a figure needs; the text says what."""


def now_ms():
    return time.monotonic_ns() / 1e6


def whole_process(argv, env):
    """From the start of a program to its end, in ms; it must succeed. Not subprocess, whose own work is a good part of a millisecond."""
    null = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1)]
    begin = now_ms()
    pid = os.posix_spawn(argv[0], [str(a) for a in argv], env, file_actions=null)
    try:
        _, status = os.waitpid(pid, 0)
    except BaseException:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        raise
    took = now_ms() - begin
    if status != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: status {os.waitstatus_to_exitcode(status)}")
    return took


class Daemon(kt.Daemon):
    """A private daemon whose cache has the one kernel (or none)."""

    def __init__(self, kernel_folder, *options):
        super().__init__(*options)
        if kernel_folder:
            target = self.kernels / kernel_folder.name
            target.mkdir(parents=True)
            for file in kernel_folder.rglob("*"):
                copy = target / file.relative_to(kernel_folder)
                if file.is_dir():
                    copy.mkdir(exist_ok=True)
                    continue
                try:
                    os.link(file, copy)
                except OSError:
                    shutil.copyfile(file, copy)

    def __exit__(self, kind, value, traceback):
        # Being told to end is no failure whose log is of interest; after one, the first error is the one to see.
        if kind is None or not issubclass(kind, (KeyboardInterrupt, SystemExit)):
            super().__exit__(kind, value, traceback)
            return
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def accelerator(self):
        """Once it is known."""
        def ask():
            return self.call("io.ktstrd.Daemon.Status")["parameters"]["accelerator"]
        kt.wait_until(lambda: ask() != "being probed", "the accelerator to be probed")
        return ask()

    def version(self):
        return self.call("io.ktstrd.Daemon.Status")["parameters"]["version"]

    def shell_process(self):
        """`ktstrctl shell --exec true`, the whole process, in ms."""
        return whole_process([kt.KTSTRCTL, "shell", "--topology", SHAPE, "--exec", "true"], self.client_env())

    def pool(self):
        """What `ktstrctl pool list` says of all shapes together."""
        result = self.ctl("pool", "list", "--json")
        if result.status != 0:
            raise RuntimeError(f"ktstrctl pool list: {result.err}")
        shapes = json.loads(result.out)["shapes"]
        return {key: sum(s.get(key, 0) for s in shapes) for key in ("idle", "building", "hits", "misses", "memory_bytes")}

    def prime(self, idle):
        """Return once so many guests wait."""
        self.accelerator()
        result = self.ctl("pool", "prime", SHAPE, "--memory", MEMORY_MIB, "--idle", idle, timeout=kt.PATIENCE_S + 10 * idle)
        if result.status != 0:
            raise RuntimeError(f"ktstrctl pool prime: {result.err}")

    def wait_for_pool(self, idle):
        """Until so many wait and none is in the making: the next job then meets a quiet machine."""
        def ready():
            pool = self.pool()
            return pool["idle"] >= idle and pool["building"] == 0
        kt.wait_until(ready, f"{idle} idle guests")


class Job:
    """`true` in a guest, or whatever else, over the socket: what took how long, in ms."""

    def __init__(self, wire, method="io.ktstrd.Shell.Open", **parameters):
        parameters = {"topology": SHAPE, "memory_mib": MEMORY_MIB, **(parameters or {"command": "true"})}
        first = running = None
        begin = now_ms()
        wire.send(method, parameters, more=True)
        while True:
            reply = wire.receive()
            at = now_ms()
            if reply is None or "error" in reply:
                raise RuntimeError(f"the daemon refused a job: {reply}")
            event = reply["parameters"]["event"]
            first = first or event
            if event["kind"] == "guest" and event.get("state") == "running":
                running = event
                self.to_running = at - begin
            if event["kind"] == "verdict":
                break
        self.to_verdict = at - begin
        if event["verdict"]["verdict"] != "pass" or not running:
            raise RuntimeError(f"a job went wrong: {event['verdict']['reason']}")
        # By the daemon's own clock, without the way to the client.
        self.server_to_running = (running["time_us"] - first["time_us"]) / 1000
        self.boot = running["guest"].get("boot_ms")


class QemuByHand:
    """The command line that a cold guest of this daemon has, to be run without the daemon."""

    # Every frame of the agent begins with it: proto/frame.h.
    MAGIC = b"KTF1"

    def __init__(self, daemon):
        with daemon.connect() as wire:
            wire.send("io.ktstrd.Shell.Open", {"command": "sleep 600", "topology": SHAPE, "memory_mib": MEMORY_MIB}, more=True)
            while True:
                reply = wire.receive()
                if reply is None or "error" in reply or reply["parameters"]["event"]["kind"] == "verdict":
                    raise RuntimeError(f"no guest to take the command line of: {reply}")
                if reply["parameters"]["event"].get("state") == "running":
                    break
            pid, = daemon.children()
            self.argv = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
        kt.wait_until(lambda: not daemon.children(), "the guest to end")
        self.argv.remove("-S")
        self.helper = kt.BUILD / "daemon/ktstrd-exec"

    def boot(self):
        """From the start of QEMU to the first bytes of the agent, in ms."""
        with contextlib.ExitStack() as stack:
            ours, fds, argv = {}, [], []
            for argument in self.argv:
                match = re.fullmatch(r"socket,id=(\w+),fd=\d+", argument)
                if match:
                    ours[match[1]], theirs = socket.socketpair()
                    stack.enter_context(ours[match[1]])
                    stack.enter_context(theirs)
                    fds.append(theirs.fileno())
                    argument = f"socket,id={match[1]},fd={theirs.fileno()}"
                match = re.search(r"size=(\d+),mem-path=/proc/self/fd/\d+", argument)
                if match:
                    memory = os.memfd_create("guest", 0)
                    stack.callback(os.close, memory)
                    os.ftruncate(memory, int(match[1]))
                    fds.append(memory)
                    argument = re.sub(r"mem-path=/proc/self/fd/\d+", f"mem-path=/proc/self/fd/{memory}", argument)
                argv.append(argument)
            ours["agent"].settimeout(kt.PATIENCE_S)
            begin = now_ms()
            # Started as the daemon starts it, and tied to us: it goes when we do.
            qemu = subprocess.Popen([self.helper, str(os.getpid()), "0", str(max(fds) + 1), *argv], pass_fds=fds,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            try:
                said = b""
                while len(said) < len(self.MAGIC):
                    got = ours["agent"].recv(len(self.MAGIC) - len(said))
                    if not got:
                        raise RuntimeError("QEMU ended before the agent said anything")
                    said += got
                took = now_ms() - begin
                if said != self.MAGIC:
                    raise RuntimeError(f"the agent's first words are {said!r}")
                return took
            finally:
                qemu.kill()
                qemu.wait()


class Vng:
    """virtme-ng as tools/fetch-vng has unpacked it: `vng -r KERNEL … -- true`, with a guest as large as ours."""

    def __init__(self, folder, accelerator):
        if not folder.exists():
            raise Unavailable("virtme-ng could not be fetched (tools/fetch-vng says why)")
        image, = (folder / "root/usr/lib/modules").glob("*/vmlinuz")
        self.argv = [folder / "bin/vng", "-r", image, "--root", folder / "root", "--cpus", "2", "--memory", f"{MEMORY_MIB}M",
                     "--force-9p", *(["--disable-kvm"] if accelerator != "kvm" else []), "--", "true"]
        self.env = {"PATH": f"{folder}/bin:/usr/bin:/bin", "PYTHONPATH": str(folder / "python"), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self):
        """The whole process, in ms."""
        with tempfile.TemporaryDirectory(prefix="ktstr-bench-") as home:
            begin = now_ms()
            # It starts others, and none of them may stay: a session of its own makes them one group.
            vng = subprocess.Popen(self.argv, env=dict(self.env, HOME=home, TMPDIR=home), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
            try:
                _, err = vng.communicate(timeout=300)
                took = now_ms() - begin
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(vng.pid, signal.SIGKILL)
                vng.wait()
            if vng.returncode != 0:
                raise RuntimeError(f"vng: status {vng.returncode}: {err.decode(errors='replace')[-500:]}")
            return took


class Bench:
    def __init__(self, data, rounds, seconds):
        self.data, self.rounds, self.seconds = data, rounds, seconds
        self.report = None
        self.subject = ""

    def say(self, text):
        print(f"bench: {self.subject}{': ' if self.subject else ''}{text}", file=sys.stderr, flush=True)

    def daemon(self, kernel=None, *options):
        """kernel: "cloud", "full", or None for a daemon that boots nothing."""
        return Daemon(self.kernel(kernel) if kernel else None, *options)

    def kernel(self, name):
        file = self.data / name
        if not file.exists():
            raise Unavailable(f"{file} is missing: run tools/bench-data (make bench does)")
        return self.data / "kernels" / file.read_text().strip()

    def cold(self):
        """The options of a daemon whose every guest boots."""
        return ["--no-templates"] if "--no-templates" in ktstrd_help() else []

    def need_pool(self):
        if subprocess.run([kt.KTSTRCTL, "pool", "--help"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            raise Unavailable("this build has no pool")

    def figure(self, name, unit, targets=(), note=None, subject=None):
        return self.report.figure(subject or self.subject, name, unit, targets, note)

    @contextlib.contextmanager
    def part(self, what=""):
        """What is in here is left out, with the reason, where it cannot be had."""
        try:
            yield
        except Unavailable as error:
            self.report.not_measured(f"{self.subject}{': ' if what else ''}{what}", str(error))
            self.say(f"{what}{': ' if what else ''}not measured: {error}")

    def interleave(self, series, rounds=None):
        """series: (once, how often in a round). What is compared is measured in turns, so that a noisy minute meets all of it."""
        rounds = rounds or self.rounds
        for i in range(rounds):
            self.say(f"round {i + 1} of {rounds}")
            for once, times in series:
                for _ in range(times):
                    once()


def ktstrd_help():
    return subprocess.run([kt.KTSTRD, "--help"], capture_output=True, text=True, check=True).stdout
