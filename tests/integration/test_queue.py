# SPDX-License-Identifier: LGPL-2.1-or-later
"""The queue: who starts when, what those who wait are told, and what is refused. The guests are played by the fake QEMU."""

import json
import os
import pathlib
import re
import select
import signal
import subprocess
import time
import unittest

import kernel_files
import ktstr_test as kt

JOB = "io.ktstrd.Job."
JOBS_KEPT = 256
CPUS = 4
WHOLE = f"1n1l{CPUS}c1t"
HALF = f"1n1l{CPUS // 2}c1t"


def setUpModule():
    """A host of two CPUs at most, whatever this one has."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


class QueueTest(unittest.TestCase):
    """Guests may have four vCPUs in all. Jobs are detached, and held until they are cancelled or `ok` is played."""

    def setUp(self):
        overcommit = CPUS // len(os.sched_getaffinity(0))
        self.daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", "--overcommit", overcommit, fake="wait_for_cancel")
        self.enterContext(self.daemon)
        self.daemon.dir.chmod(0o711)
        self.daemon.socket.chmod(0o666)
        image = self.daemon.dir / "vmlinux"
        image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
        result = self.daemon.ctl("kernel", "import", image)
        self.assertEqual(result.status, 0, result)

    def as_nobody(self):
        """A connection of another user's."""
        os.seteuid(kt.NOBODY)
        try:
            wire = self.daemon.connect()
        finally:
            os.seteuid(0)
        self.addCleanup(wire.socket.close)
        return wire

    def submit(self, topology=WHOLE, wire=None, **parameters):
        call = wire.call if wire else self.daemon.call
        reply = call(JOB + "Submit", detach=True, topology=topology, **parameters)
        self.assertNotIn("error", reply)
        return reply["parameters"]["job"]

    def hold(self, **parameters):
        """One that runs until it is cancelled, and is what is played from then on."""
        job = self.submit(**parameters)
        self.wait_for(job, "running")
        kt.wait_until(lambda: job in self.started(), f"{job} to be in its guest")
        self.daemon.play("ok")
        return job

    def show(self, job):
        return self.daemon.call(JOB + "Show", job=job)["parameters"]["job"]

    def wait_for(self, job, state):
        kt.wait_until(lambda: self.show(job)["state"] == state, f"{job} to be {state}")

    def cancel(self, job):
        self.assertNotIn("error", self.daemon.call(JOB + "Cancel", job=job))

    def status(self):
        reply = self.daemon.call("io.ktstrd.Daemon.Status")
        self.assertNotIn("error", reply)
        return reply["parameters"]

    def drained(self):
        kt.wait_until(lambda: self.status()["jobs_queued"] == self.status()["jobs_running"] == 0, "the jobs to end")

    def started(self):
        """Jobs in the order in which they came into their guests."""
        return [json.loads(line.removeprefix("job "))["job"] for line in self.daemon.handed_lines() if line.startswith("job ")]


class Order(QueueTest):
    def test_three_hundred_drain_in_order(self):
        held = self.hold()
        jobs = [self.submit() for _ in range(300)]
        self.assertEqual(self.status()["jobs_queued"], 300)
        self.cancel(held)
        self.drained()
        self.assertEqual(self.started(), [held, *jobs])
        verdicts = {j["job"]: j["verdict"] for j in self.daemon.call(JOB + "List", limit=1000)["parameters"]["jobs"]}
        self.assertEqual({verdicts[job] for job in jobs[-200:]}, {"pass"})

    @kt.needs_nobody()
    def test_users_take_turns(self):
        held = self.hold()
        ours = [self.submit() for _ in range(4)]
        nobody = self.as_nobody()
        theirs = [self.submit(wire=nobody) for _ in range(2)]
        self.cancel(held)
        self.drained()
        # The one that was held was ours, so theirs come first.
        self.assertEqual(self.started(), [held, theirs[0], ours[0], theirs[1], ours[1], ours[2], ours[3]])

    def test_a_smaller_one_passes_one_that_has_no_room(self):
        held = self.hold(topology=HALF)
        large = self.submit()
        small = self.submit(topology=HALF)
        self.wait_for(small, "ended")
        self.assertEqual(self.show(large)["state"], "queued")
        self.cancel(held)
        self.wait_for(large, "ended")
        self.assertEqual(self.started(), [held, small, large])

    def test_one_always_runs(self):
        self.daemon.play("ok")
        job = self.submit(topology=f"1n1l{8 * CPUS}c1t")
        self.wait_for(job, "ended")
        self.assertEqual(self.show(job)["verdict"], "pass")

    def memory_budget_mib(self):
        total_kib = re.search(r"MemTotal: +(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]
        return int(total_kib) // 1024 * 8 // 10

    def test_memory_is_shared_out_too(self):
        memory_mib = self.memory_budget_mib() * 6 // 10
        held = self.hold(topology="1n1l1c1t", memory_mib=memory_mib)
        waits = self.submit(topology="1n1l1c1t", memory_mib=memory_mib)
        self.assertEqual(self.show(waits)["state"], "queued")
        self.cancel(held)
        self.wait_for(waits, "ended")
        self.assertEqual(self.show(waits)["verdict"], "pass")

    def test_what_never_fits_is_refused_at_once_with_the_arithmetic(self):
        self.hold()
        result = self.daemon.ctl("submit", "--memory", "4T")
        self.assertEqual(result.status, 64)
        self.assertRegex(result.err, r"wants 4194304 MiB, guests have at most \d+ MiB here \(MemoryMax= in ktstrd.conf\); ask for less")
        self.assertEqual(len(self.daemon.jobs()), 1)

    def test_what_there_is_can_be_asked_for(self):
        room = self.daemon.call(JOB + "Room", topology="4n12l8c2t", accel="tcg")["parameters"]
        self.assertEqual(room["cpus"], CPUS)
        refused = self.daemon.call(JOB + "Submit", memory_mib=room["memory_mib"] + 1)
        self.assertEqual(refused["error"], JOB + "NeverFits")
        self.assertIn(f"at most {room['memory_mib']} MiB", refused["parameters"]["message"])
        # 252 CPUs whose numbers end at 433.
        reply = self.daemon.call(JOB + "Room", topology="1n14l9c2t", accel="tcg")
        self.assertEqual(reply["error"], JOB + "BadTopology")
        self.assertIn("up to 433", reply["parameters"]["message"])
        self.assertEqual(self.daemon.call(JOB + "Room", topology="1n1l0c1t")["error"], JOB + "BadTopology")

    def test_one_that_waits_can_be_cancelled(self):
        held = self.hold()
        first, second = self.submit(), self.submit()
        self.cancel(first)
        self.assertEqual(self.show(first)["state"], "ended")
        verdict = self.daemon.call(JOB + "Show", job=first)["parameters"]["verdict"]
        self.assertEqual((verdict["verdict"], verdict["reason"]), ("cancelled", "cancelled before it started"))
        self.cancel(held)
        self.wait_for(second, "ended")
        self.assertEqual(self.started(), [held, second])

    def test_what_waits_is_cancelled_when_the_daemon_stops(self):
        self.hold()
        for _ in range(3):
            self.submit()
        self.daemon.stop()
        self.assertEqual(self.daemon.log().count("cancelled: cancelled before it started"), 3)
        self.daemon.start()

    def test_what_waits_is_done_before_a_drain_is_over(self):
        held = self.hold()
        jobs = [self.submit() for _ in range(3)]
        self.assertEqual(self.daemon.ctl("drain").status, 0)
        self.cancel(held)
        self.assertEqual(self.daemon.process.wait(kt.PATIENCE_S), 0)
        self.assertEqual(self.started(), [held, *jobs])
        self.daemon.start()


class Watcher:
    """A job that somebody watches: what it is told while it waits."""

    def __init__(self, test, **parameters):
        self.wire = test.daemon.connect()
        test.addCleanup(self.wire.socket.close)
        self.wire.send(JOB + "Submit", dict({"topology": WHOLE}, **parameters), more=True)
        self.places = []
        self.next()

    def next(self):
        """Wait for the next event; a queued one is kept."""
        reply = self.wire.receive()
        self.job, event = reply["parameters"]["job"], reply["parameters"]["event"]
        if event["kind"] == "queued":
            self.places.append(event)
        return event

    def has_news(self, within_s=0):
        return bool(self.wire.buffer) or bool(select.select([self.wire.socket], [], [], within_s)[0])

    def positions(self):
        return [e["position"] for e in self.places]


class Waiting(QueueTest):
    def setUp(self):
        super().setUp()
        # From a command that was run it is known how long things take.
        self.daemon.play("ok")
        begun = time.monotonic()
        self.assertEqual(self.daemon.ctl("shell", "--json", "--exec", "true").verdict()["verdict"], "pass")
        self.drained()
        # It took no longer.
        self.command_ms = (time.monotonic() - begun) * 1000
        self.daemon.play("wait_for_cancel")

    def stir(self):
        """Something ends, and nothing else changes: what is told is told as jobs start and end."""
        self.cancel(self.submit(priority="low"))

    def news_of(self, watcher):
        """Its next event, which is not told before a second has passed since the last."""
        deadline = time.monotonic() + kt.PATIENCE_S
        while not watcher.has_news(within_s=0.1):
            self.assertLess(time.monotonic(), deadline)
            self.stir()
        return watcher.next()

    def test_who_starts_at_once_waits_for_nothing(self):
        first = Watcher(self).places[0]
        self.assertEqual((first["position"], first["wait_ms"]), (0, 0))

    def test_a_wait_is_what_those_before_will_take(self):
        begun = time.monotonic()
        self.hold(duration_ms=20000)
        watchers = [Watcher(self, duration_ms=d) for d in (3000, 40000, 1000)]
        self.assertEqual([w.positions() for w in watchers], [[0], [1], [2]])
        waits = [w.places[0]["wait_ms"] for w in watchers]
        # The first for what is left of the one that is held, at most all of it and at least an eighth.
        self.assertTrue(20000 / 8 <= waits[0] <= 20001 + self.command_ms, waits)
        listed = {j["job"]: j for j in self.daemon.jobs()}
        # Of the one that is held less is left as time goes on.
        passed_ms = (time.monotonic() - begun) * 1000 + 1
        # Each of the others for the one before too.
        for wait, before, duration in zip(waits[1:], waits, (3000, 40000)):
            self.assertTrue(duration - passed_ms <= wait - before <= duration + self.command_ms + 1, (waits, passed_ms, self.command_ms))
        for position, w in enumerate(watchers):
            self.assertEqual(listed[w.job]["position"], position)
            self.assertTrue(-1 <= w.places[0]["wait_ms"] - listed[w.job]["wait_ms"] <= passed_ms, (w.places, listed[w.job], passed_ms))
        self.assertNotIn("position", self.daemon.jobs()[3])

    def test_of_what_is_not_known_nothing_is_said(self):
        daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", "--overcommit", 1, fake="wait_for_cancel")
        self.enterContext(daemon)
        image = daemon.dir / "vmlinux"
        image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
        daemon.ctl("kernel", "import", image)
        submit = lambda: daemon.call(JOB + "Submit", detach=True, topology=WHOLE)["parameters"]["job"]
        job = submit()
        kt.wait_until(lambda: daemon.jobs()[0]["state"] == "running", "the job to run")
        waits = submit()
        show = daemon.call(JOB + "Show", job=waits)["parameters"]["job"]
        self.assertEqual(show["position"], 0)
        self.assertNotIn("wait_ms", show)
        with daemon.connect() as wire:
            wire.send(JOB + "Attach", {"job": waits}, more=True)
            event = wire.receive()["parameters"]["event"]
        self.assertEqual((event["kind"], event["position"]), ("queued", 0))
        self.assertNotIn("wait_ms", event)

    def test_those_who_wait_are_told_when_fewer_are_ahead(self):
        held = self.hold()
        ahead = [self.submit() for _ in range(3)]
        watched, unwatched = Watcher(self), self.submit()
        self.assertEqual(watched.positions(), [3])
        for n, job in enumerate(ahead, start=1):
            self.cancel(job)
            self.news_of(watched)
            self.assertEqual(watched.positions(), [3, 2, 1, 0][:n + 1])
            self.assertGreaterEqual(watched.places[-1]["elapsed_ms"] - watched.places[-2]["elapsed_ms"], 1000)
        # Nobody listened, so nothing more was said than where it began.
        self.assertEqual(self.show(unwatched)["position"], 1)
        self.cancel(held)
        self.drained()
        told = [e for e in self.daemon.ctl("attach", "--json", unwatched).events() if e["kind"] == "queued"]
        self.assertEqual([e["position"] for e in told], [4])

    def test_in_a_long_queue_not_every_step_is_told(self):
        held = self.hold()
        ahead = [self.submit() for _ in range(100)]
        watched = Watcher(self)
        kt.wait_until(lambda: self.show(watched.job)["elapsed_ms"] >= 1000, "a second to pass")
        self.cancel(ahead.pop())
        self.cancel(ahead.pop())
        self.assertFalse(watched.has_news())
        for job in ahead[:24]:
            self.cancel(job)
        self.assertEqual(self.news_of(watched)["position"], 74)
        self.cancel(held)

    def test_one_who_is_overtaken_is_not_told_it_is_back(self):
        self.hold()
        self.submit()
        watched = Watcher(self)
        high = self.submit(priority="high")
        self.assertEqual(self.show(watched.job)["position"], 2)
        kt.wait_until(lambda: self.show(watched.job)["elapsed_ms"] >= 1000, "a second to pass")
        self.cancel(high)
        self.assertEqual(self.show(watched.job)["position"], 1)
        self.assertFalse(watched.has_news())

    def test_what_it_waited_is_no_part_of_its_verdicts_time(self):
        held = self.hold()
        watched = Watcher(self)
        kt.wait_until(lambda: self.show(watched.job)["elapsed_ms"] >= 1000, "a second to pass")
        self.daemon.play("ok")
        self.cancel(held)
        event = watched.next()
        while event["kind"] != "verdict":
            event = watched.next()
        self.assertLessEqual(event["verdict"]["elapsed_ms"], event["elapsed_ms"] - 1000)
        self.assertGreaterEqual(self.show(watched.job)["elapsed_ms"], event["verdict"]["elapsed_ms"] + 1000)
        self.daemon.play("wait_for_cancel")
        self.hold()
        gone = Watcher(self)
        self.cancel(gone.job)
        event = gone.next()
        while event["kind"] != "verdict":
            event = gone.next()
        self.assertEqual(event["verdict"]["elapsed_ms"], 0)

    def test_a_person_sees_it(self):
        self.hold(duration_ms=600000)
        client = self.daemon.ctl_start("submit", "--topology", WHOLE, "--duration", "2s")
        self.assertRegex(client.stdout.readline(), r"^ +0\.0\ds  queued: next, about \d+ min\n$")
        second = self.submit(priority="low")
        lines = self.daemon.ctl("jobs").out.splitlines()
        self.assertEqual(lines[0].split(), ["JOB", "STATE", "PRIORITY", "VERDICT", "SCHEDULER", "TOPOLOGY", "TIME", "REASON"])
        self.assertRegex(lines[1], rf"^{second} +queued +low +- +EEVDF +{WHOLE} +\d\.\ds  1 ahead, about \d+ min$")
        self.assertRegex(lines[2], r" queued +normal .*s  next, about \d+ min$")
        self.assertRegex(lines[3], r" running +normal .*s  $")
        client.send_signal(signal.SIGINT)
        client.communicate(timeout=kt.PATIENCE_S)
        self.assertEqual(client.returncode, 130)

    def test_nothing_is_said_where_there_is_no_wait(self):
        self.daemon.play("ok")
        result = self.daemon.ctl("submit", "--duration", "1s")
        self.assertEqual(result.status, 0)
        self.assertNotIn("queued", result.out)


class Priority(QueueTest):
    def test_normal_overtakes_low_and_high_overtakes_both(self):
        held = self.hold()
        low = self.submit(priority="low")
        normal = self.submit()
        said = self.submit(priority="normal")
        high = self.submit(priority="high")
        self.assertEqual([j["priority"] for j in self.daemon.jobs()], ["high", "normal", "normal", "low", "normal"])
        self.cancel(held)
        self.drained()
        self.assertEqual(self.started(), [held, high, normal, said, low])

    def test_commands_have_one_too(self):
        held = self.hold()
        clients = [self.daemon.ctl_start("shell", "--exec", "true", "--topology", WHOLE, "--priority", priority, "--json")
                   for priority in ("low", "normal")]
        kt.wait_until(lambda: len(self.daemon.jobs()) == 3, "the jobs to be there")
        by_priority = {j["priority"]: j["job"] for j in self.daemon.jobs() if j["kind"] == "exec"}
        self.cancel(held)
        for client in clients:
            client.communicate(timeout=kt.PATIENCE_S)
            self.assertEqual(client.returncode, 0)
        self.assertEqual(self.started(), [held, by_priority["normal"], by_priority["low"]])

    def test_what_is_none_is_refused(self):
        result = self.daemon.ctl("submit", "--priority", "urgent")
        self.assertEqual((result.status, result.out), (64, ""))
        for word in ("priority", "urgent", "low", "normal", "high"):
            self.assertIn(word, result.err)

    @kt.needs_nobody(kt.KTSTRCTL, "--version")
    def test_high_is_not_for_everybody(self):
        for method, parameters, more in (("Job.Submit", {"detach": True}, False), ("Shell.Open", {"command": "true"}, True)):
            wire = self.as_nobody()
            wire.send(f"io.ktstrd.{method}", dict(parameters, priority="high"), more=more)
            reply = wire.receive()
            self.assertEqual(reply["error"], "org.varlink.service.PermissionDenied", reply)
            self.assertIn("root and the user that runs the daemon", reply["parameters"]["message"])
        self.assertEqual(self.daemon.jobs(), [])
        p = subprocess.run([*kt.AS_NOBODY, kt.KTSTRCTL, "submit", "--priority", "high"],
                           env=self.daemon.client_env(), capture_output=True, text=True, timeout=kt.PATIENCE_S)
        self.assertEqual((p.returncode, p.stdout), (64, ""))
        self.assertRegex(p.stderr, r"^ktstrctl: submit: priority high is for root and the user that runs the daemon; leave --priority out")
        # The others are.
        nobody = self.as_nobody()
        self.daemon.play("ok")
        for priority in ("low", "normal"):
            self.submit(wire=nobody, priority=priority)
        self.drained()

    def test_the_daemons_own_user_is_allowed(self):
        self.daemon.play("ok")
        self.assertEqual(self.daemon.ctl("submit", "--priority", "high", "--duration", "1s").status, 0)


class Endings(QueueTest):
    """What is remembered of jobs that have ended has a limit: the one that ends must not be forgotten while it does."""

    def test_the_oldest_may_end_last(self):
        oldest = self.hold()
        for _ in range(JOBS_KEPT):
            self.cancel(self.submit())
        self.cancel(oldest)
        kt.wait_until(lambda: self.daemon.call(JOB + "Show", job=oldest).get("error") == JOB + "NoSuchJob", "the oldest to be forgotten")
        self.assertEqual(len(self.daemon.call(JOB + "List", limit=1000)["parameters"]["jobs"]), JOBS_KEPT)

    def test_a_verdict_may_be_answered_by_the_end_of_another_job(self):
        with self.daemon.connect() as wire:
            wire.send(JOB + "Submit", {"topology": WHOLE})
            kt.wait_until(lambda: self.daemon.jobs() and self.daemon.jobs()[0]["state"] == "running", "the job to run")
            oldest = self.daemon.jobs()[0]["job"]
            for _ in range(JOBS_KEPT):
                self.cancel(self.submit())
            # Read as soon as the verdict is out, in the midst of its being given.
            wire.send(JOB + "Cancel", {"job": self.submit()})
            self.cancel(oldest)
            self.assertEqual(wire.receive()["parameters"]["event"]["verdict"]["verdict"], "cancelled")
            self.assertNotIn("error", wire.receive())


if __name__ == "__main__":
    kt.main()
