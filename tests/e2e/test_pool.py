# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that was cloned, and one that waited in the pool, is the guest that would have booted: what it is, how its time passes, and what
a scheduler finds in it."""

import re
import unittest

import ktstr_test as kt

JOB = "io.ktstrd.Job."
POOL = "io.ktstrd.Pool."

# What does not change while a guest runs.
MACHINE = r"""
uname -r
sed 's/ tsc_early_khz=[0-9]*//' /proc/cmdline
for f in online possible present; do echo $f $(cat /sys/devices/system/cpu/$f); done
for n in /sys/devices/system/node/node*; do echo ${n##*/} $(cat $n/cpulist) distance $(cat $n/distance); done
for c in /sys/devices/system/cpu/cpu[0-9]*; do
        cd $c; echo ${c##*/} l3 $(cat cache/index3/shared_cpu_list) l2 $(cat cache/index2/shared_cpu_list) threads \
                $(cat topology/thread_siblings_list) core $(cat topology/core_id) package $(cat topology/physical_package_id)
done
grep -e processor -e apicid -e siblings -e 'cpu cores' -e 'model name' /proc/cpuinfo
grep MemTotal /proc/meminfo
grep -v '^nodev' /proc/filesystems | sort
cat /proc/mounts
ls /sys/bus/pci/devices /sys/class/rtc
cat /sys/kernel/sched_ext/state /sys/kernel/mm/transparent_hugepage/enabled /proc/sys/kernel/randomize_va_space
"""

# Each CPU is busy for a while, and then everything has its time.
TIME = r"""
loc() { sed -n 's/^ *LOC: *//p' /proc/interrupts | sed 's/ *Local.*//'; }
for i in 1 2 3; do adjtimex; sleep 0.2; done
echo loc $(loc)
for c in $(seq 0 $(($(nproc) - 1))); do taskset $(printf %x $((1 << c))) timeout 0.5 sh -c 'while :; do :; done' & done; wait
echo loc $(loc); sleep 0.2
echo begin $(cat /proc/uptime); sleep 1; echo end $(cat /proc/uptime); sleep 0.2
until [ $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource) != tsc-early ]; do sleep 0.1; done
echo clocksource $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource) of \
        $(cat /sys/devices/system/clocksource/clocksource0/available_clocksource)
dmesg | sed 's/^/dmesg /'
"""

UNIQUE = "cat /proc/sys/kernel/random/uuid; head -c 32 /dev/urandom | xxd -p -c 64; cat /proc/sys/kernel/random/boot_id"

TROUBLE = re.compile(r"\bBUG\b|WARNING|Oops|Call Trace|soft lockup|hard LOCKUP|hung_task|rcu.*stall|self-detected"
                     r"|clocksource.*(unstable|skew)|TSC.*(unstable|warp)|calibration deviates|Time.*went backwards|NMI.*too long")


class Job:
    """One that ran: its verdict, what it printed, and when each piece of that came."""

    def __init__(self, daemon, method, parameters):
        self.events = []
        with daemon.connect() as wire:
            wire.send(method, parameters, more=True)
            while True:
                reply = wire.receive()
                if "error" in reply:
                    raise AssertionError(reply)
                if "event" in reply["parameters"]:
                    self.events.append(reply["parameters"]["event"])
                if not reply.get("continues"):
                    break
        self.verdict = self.events[-1]["verdict"]
        self.source = self.verdict["guest"]["source"]
        self.out = "".join(e["text"] for e in self.events if e.get("stream") == "stdout")

    def clock_off_s(self):
        """By how much the guest's clock differs from the host's, as adjtimex printed it: the least, since to print takes time too."""
        off = []
        for e in self.events:
            found = re.search(r"time.tv_sec: +(\d+)\n.*time.tv_usec: +(\d+)", e["text"]) if e.get("stream") == "stdout" else None
            if found:
                off.append(int(found[1]) + int(found[2]) / 1e6 - e["time_us"] / 1e6)
        return min(off, key=abs)

    def time_s(self, word):
        """When the line that begins with this came, in the host's time."""
        return next(e["time_us"] for e in self.events if e.get("stream") == "stdout" and f"{word} " in e["text"]) / 1e6

    def lines(self, word):
        return [line.removeprefix(word + " ") for line in self.out.splitlines() if line.startswith(word + " ")]

    def times_s(self):
        """By how much its clock is off, and how long its second was, for itself and for the host."""
        begin, end = (float(self.lines(word)[0].split()[0]) for word in ("begin", "end"))
        return self.clock_off_s(), end - begin, self.time_s("end") - self.time_s("begin")

    def is_in_time(self):
        off, guests, hosts = self.times_s()
        # Its clock is the host's. Where it booted on a busy host it comes of the hardware's, of whose seconds both QEMU and the kernel know
        # the number only: it is up to 1.5 s late, see guest/job.c.
        if abs(off) >= (2 if self.source == "cold" else 1):
            return False
        # A second is a second, for the guest and for the host.
        return 0.99 <= guests < 2 and 0.9 <= hosts < 2.5 and abs(hosts - guests) < 0.5


def setUpModule():
    kernels = kt.data("kernels")
    Base.pool = kt.Daemon("--pool-idle", "1", kernels=kernels)
    Base.cold = kt.Daemon("--no-templates", kernels=kernels)
    Base.clone = kt.Daemon("--pool-idle", "0", kernels=kernels, template_dir=Base.pool.template_dir)
    for daemon in (Base.pool, Base.cold, Base.clone):
        unittest.enterModuleContext(daemon)


class Base(unittest.TestCase):
    """Three daemons, each with guests of one source. The template is the same, and this test's own."""

    def prime(self, topology):
        """And nothing is under way in the background any more."""
        reply = self.pool.call(POOL + "Prime", topology=topology, idle=1)
        self.assertNotIn("error", reply)
        kt.wait_until(lambda: all(s["building"] == 0 and s["idle"] > 0 for s in self.pool.call(POOL + "List")["parameters"]["shapes"]),
                      "the pool to be at rest")

    def of_source(self, source, topology, command):
        self.prime(topology)
        job = Job(getattr(self, source), "io.ktstrd.Shell.Open", {"command": command, "topology": topology})
        self.assertEqual((job.verdict["verdict"], job.source), ("pass", source), job.verdict)
        return job

    def of_each_source(self, topology, command, told=lambda job: True):
        return [kt.until_told(lambda source=source: self.of_source(source, topology, command), told) for source in ("cold", "clone", "pool")]


class Same(Base):
    def check_machine(self, topology):
        cold, clone, pool = (job.out for job in self.of_each_source(topology, MACHINE))
        self.assertIn("\ndisabled\n", cold)
        self.assertEqual(clone, cold)
        self.assertEqual(pool, cold)

    def check_time(self, topology, cpus):
        sources = {}
        # Of one that a busy host did not let run in that second nothing can be told; one whose clock is wrong is wrong each time.
        for job in self.of_each_source(topology, TIME, Job.is_in_time):
            with self.subTest(topology=topology, source=job.source):
                self.assertTrue(job.is_in_time(), job.times_s())
                # Each CPU's timer ticks.
                before, after = ([int(n) for n in line.split()] for line in job.lines("loc"))
                self.assertEqual((len(before), len(after)), (cpus, cpus))
                for cpu in range(cpus):
                    self.assertGreater(after[cpu], before[cpu] + 5, f"CPU {cpu}: {before} {after}")
                self.assertEqual([line for line in job.lines("dmesg") if TROUBLE.search(line)], [])
                sources[job.source] = job.lines("clocksource")
        self.assertEqual((sources["clone"], sources["pool"]), (sources["cold"], sources["cold"]))
        self.assertIn("tsc", sources["cold"][0])

    def test_one_cpu(self):
        self.check_machine("1n1l1c1t")
        self.check_time("1n1l1c1t", 1)

    def test_two_nodes_with_threads(self):
        self.check_machine("2n2l2c2t")
        self.check_time("2n2l2c2t", 8)

    def test_its_numbers_are_its_own(self):
        """Copies of one guest, and none has the random numbers of another."""
        seen = []
        for _ in range(2):
            seen += [job.out.split() for job in self.of_each_source("1n1l1c1t", UNIQUE)]
        self.assertEqual([len(s) for s in seen], [3] * 6)
        self.assertEqual(len({uuid for uuid, _, _ in seen}), 6, seen)
        self.assertEqual(len({random for _, random, _ in seen}), 6, seen)

    def test_nothing_of_a_job_is_in_the_next_guest(self):
        self.prime("1n1l1c1t")
        for daemon in (self.pool, self.clone):
            Job(daemon, "io.ktstrd.Shell.Open", {"topology": "1n1l1c1t", "command":
                "echo secret-of-mine >/tmp/left; mkdir /sys/fs/cgroup/left; echo secret-of-mine >/dev/kmsg; sysctl -w kernel.pid_max=5000"})
        for job in self.of_each_source("1n1l1c1t", "ls /tmp /sys/fs/cgroup | grep left; dmesg | grep secret; cat /proc/sys/kernel/pid_max; "
                                                   "ls /include-files; ps | grep -c ktstr-guest"):
            self.assertNotIn("left", job.out)
            self.assertNotIn("secret", job.out)
            self.assertNotIn("5000", job.out.split())

    def test_many_cpus_once(self):
        self.pool.call(POOL + "Drop")
        reply = self.pool.call(POOL + "Prime", topology="1n2l8c1t", idle=1)
        self.assertEqual(reply.get("parameters", {}).get("idle"), 1, reply)
        job = Job(self.pool, "io.ktstrd.Shell.Open", {"topology": "1n2l8c1t", "command":
                  "nproc; cat /sys/devices/system/cpu/cpu[07]/cache/index3/shared_cpu_list; cat /sys/kernel/sched_ext/state; dmesg"})
        self.assertEqual((job.verdict["verdict"], job.source), ("pass", "pool"), job.verdict)
        self.assertEqual(job.out.splitlines()[:4], ["16", "0-7", "0-7", "disabled"])
        self.assertEqual([line for line in job.out.splitlines() if TROUBLE.search(line)], [])
        self.pool.call(POOL + "Drop", shape="1n2l8c1t")


class Schedulers(Base):
    """What attaches to a guest that booted attaches to these too, and fails as it would there."""

    def submit(self, source, scheduler, *args, duration="1s"):
        self.prime("1n1l2c1t")
        result = getattr(self, source).ctl("submit", "--json", "--sched", scheduler, "--duration", duration, *kt.UNTIMED, "--", *args)
        verdict = result.verdict()
        self.assertEqual(verdict["guest"]["source"], source, result)
        return verdict

    def test_they_pass(self):
        for scheduler, ops in ((kt.SCX_KTSTR, "ktstr"), (kt.data("scheds") / "scx_simple", "simple")):
            for source in ("clone", "pool"):
                with self.subTest(scheduler=ops, source=source):
                    verdict = self.submit(source, scheduler, duration="2s")
                    self.assertEqual((verdict["verdict"], verdict["scheduler"]["ops"], verdict["scheduler"]["outcome"]),
                                     ("pass", ops, "stopped"), verdict)
                    self.assertEqual(len(verdict["workers"]), 4)
                    for worker in verdict["workers"]:
                        self.assertGreater(worker["work_units"], 0)
                        self.assertGreaterEqual(worker["wall_ns"], 1_900_000_000)

    def test_on_each_kernel(self):
        for version in ("6.16", "6.18"):
            with self.subTest(kernel=version):
                reply = self.pool.call(POOL + "Prime", kernel=version, idle=1)
                self.assertTrue(reply.get("parameters", {}).get("shape", "").startswith(version), reply)
                for daemon, source in ((self.pool, "pool"), (self.clone, "clone")):
                    result = daemon.ctl("submit", "--json", "--sched", kt.SCX_KTSTR, "--kernel", version, "--duration", "1s", *kt.UNTIMED)
                    verdict = result.verdict()
                    self.assertEqual((verdict["verdict"], verdict["guest"]["source"]), ("pass", source), result)
                    self.assertTrue(verdict["guest"]["release"].startswith(version), verdict["guest"])
                self.pool.call(POOL + "Drop")

    def test_faults_are_told_in_the_same_words(self):
        for fault, sources in ((("--crash-after", "1"), ("cold", "clone", "pool")), (("--stall-after", "1"), ("cold", "pool")),
                               (("--fail-verify",), ("cold", "pool")), (("--kill-after", "1"), ("cold", "pool"))):
            words = {}
            for source in sources:
                # Each ends it long before.
                verdict = self.submit(source, kt.SCX_KTSTR, *fault, duration="20s")
                # Times, pids, addresses and names of tasks are other each time.
                reason = re.sub(r"0x[0-9a-f]+|\d+(\.\d+)?", "#", re.sub(r"\S+\[\d+\]", "TASK", verdict["reason"]))
                sched = verdict["scheduler"]
                words[source] = (verdict["verdict"], reason, sched["outcome"], sched["attached"], sched.get("exit_kind"),
                                 sched.get("exit_reason"), sched.get("exit_code"), sched.get("exit_signal"), bool(sched.get("dump")),
                                 bool(sched.get("verifier_log")))
            with self.subTest(fault=fault):
                self.assertEqual(words["cold"][0], "fail")
                for source in sources[1:]:
                    self.assertEqual(words[source], words["cold"])


if __name__ == "__main__":
    kt.main()
