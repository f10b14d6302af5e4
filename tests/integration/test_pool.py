# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pool, with a fake QEMU: guests that are ready before there is a job for them, and all that can come between."""

import contextlib
import json
import os
import signal
import time
import unittest

import ktstr_test as kt
import openmetrics
from pool_case import DAEMON, JOB, KERNEL, POOL, SHAPE, DETOUR, new_daemon, import_kernel, Base

# Jobs whose first guest never wakes: what that takes (20 s, and 1 s a vCPU) passes while all else is tested. See Waking.
patient = {}


def setUpModule():
    for source, option in (("pool", "2"), ("clone", "0")):
        daemon = new_daemon("--pool-idle", option)
        unittest.enterModuleContext(daemon)
        import_kernel(daemon)
        daemon.play(f"{source}=never_wakes")
        daemon.ctl("submit", "--duration", "1s", "--topology", "1n1l1c1t")
        kt.wait_until(lambda: [s for s in daemon.call(POOL + "List")["parameters"]["shapes"]
                               if s["template"] == "ready" and s["idle"] == int(option)], "the guests that will not wake")
        patient[source] = daemon, daemon.ctl_start("submit", "--json", "--duration", "1s", "--topology", "1n1l1c1t")
        unittest.addModuleCleanup(patient[source][1].kill)


class Seen(Base):
    """What a client sees of it."""

    def test_the_first_job_boots_and_the_next_finds_a_guest(self):
        self.assertEqual(self.shapes(), [])
        before = time.time()
        first = self.served("cold")
        self.assertGreaterEqual(first["guest"]["boot_ms"], 0)
        self.ready()
        result = self.submit()
        self.assertEqual(result.verdict()["guest"]["source"], "pool", result)
        said = [e["message"] for e in result.events() if e["kind"] == "guest"]
        self.assertEqual(said[0], f"taking a ready guest of {KERNEL} on 1n1l2c1t under tcg")
        self.assertRegex(said[1], r"^guest awake after \d+\.\d ms: ")
        self.assertEqual([d for d in result.verdict()["details"] if DETOUR in d], [])
        # And another is made in its place.
        self.ready()
        shape = self.shape()
        self.assertEqual({k: shape[k] for k in ("shape", "kernel", "topology", "memory_mib", "accel", "template", "idle", "building",
                                                "want", "hits", "misses", "failures")},
                         {"shape": SHAPE, "kernel": KERNEL, "topology": "1n1l2c1t", "memory_mib": 256, "accel": "tcg",
                          "template": "ready", "idle": 2, "building": 0, "want": 2, "hits": 1, "misses": 1, "failures": 0})
        self.assertNotIn("reason", shape)
        self.assertNotIn("retry_ms", shape)
        self.assertEqual(shape["key"], self.template().name)
        self.assertTrue(before <= shape["template_built_us"] / 1e6 <= time.time(), shape)
        self.assertTrue(0 <= shape["template_build_ms"] < 60000, shape)
        self.assertTrue(1.9 < shape["demand"] <= 2, shape)
        self.assertLess(shape["oldest_idle_ms"], 60000)
        self.assertLess(shape["unused_ms"], 60000)

    def test_the_numbers_agree(self):
        self.served("cold")
        self.ready()
        self.served("pool")
        self.ready()
        kt.wait_until(lambda: self.shape()["memory_bytes"] > 0, "the guests' memory to be known")
        # They are measured anew for each list, and share with whatever else is of the same program.
        kt.wait_until(lambda: self.list()["memory_bytes"] == self.status()["guests_idle_bytes"] == self.metrics()["ktstrd_pool_memory_bytes"].value(),
                      "the guests' memory to be the same for all who tell it")
        listed, status, m = self.list(), self.status(), self.metrics()
        self.assertEqual((listed["idle_max"], listed["held"]), (16, False))
        self.assertGreater(listed["memory_max_bytes"], 64 << 20)
        self.assertEqual((status["guests_idle"], status["guests_building"]), (2, 0))
        self.assertNotIn("pool_failure", status)
        self.assertNotIn("pool_held", status)
        self.assertEqual((m["ktstrd_pool_guests"].value(state="idle"), m["ktstrd_pool_guests"].value(state="building")), (2, 0))
        self.assertEqual((m["ktstrd_pool_hits"].value("_total"), m["ktstrd_pool_misses"].value("_total")), (1, 1))
        self.assertEqual((self.builds("built"), self.builds("failed")), (1, 0))
        self.assertEqual([m["ktstrd_handout_seconds"].value("_count", source=s) for s in ("cold", "clone", "pool")], [1, 0, 1])
        # Two at first, and one for the one that was taken.
        self.assertEqual([m["ktstrd_boot_seconds"].value("_count", source=s) for s in ("cold", "clone")], [1, 3])
        self.assertGreater(listed["memory_bytes"], 0)

    def test_each_shape_has_its_own(self):
        for topology in ("1n1l2c1t", "1n1l1c1t", "2n2l1c1t"):
            self.served("cold", "--topology", topology)
        self.served("cold", "--memory", "300M")
        kt.wait_until(lambda: [s["idle"] for s in self.shapes()] == [2] * 4, "two guests of each")
        self.assertEqual({s["shape"].removeprefix(KERNEL) for s in self.shapes()},
                         {"/1n1l2c1t/256M/tcg", "/1n1l1c1t/256M/tcg", "/2n2l1c1t/256M/tcg", "/1n1l2c1t/300M/tcg"})
        for topology in ("1n1l2c1t", "1n1l1c1t", "2n2l1c1t"):
            self.served("pool", "--topology", topology)
        self.assertEqual(len(list(self.daemon.template_dir.iterdir())), 4)

    def test_the_most_used_is_listed_first(self):
        for topology in ("1n1l1c1t", "1n1l2c1t", "1n1l2c1t", "1n1l2c1t"):
            self.assertEqual(self.submit("--topology", topology).status, 0)
        self.assertEqual([s["topology"] for s in self.shapes()], ["1n1l2c1t", "1n1l1c1t"])

    def test_the_clock_and_the_seed_come_with_the_job(self):
        self.served("cold")
        self.ready()
        self.served("pool")
        jobs = [json.loads(line.removeprefix("job ")) for line in self.daemon.handed_lines() if line.startswith("job ")]
        self.assertEqual(len(jobs), 2)
        self.assertEqual(len({j["seed"] for j in jobs}), 2)
        self.assertLess(abs(jobs[1]["wall_ns"] / 1e9 - time.time()), 60)


class Switches(Base):
    """What can be turned off."""

    def test_without_idle_guests_jobs_are_clones(self):
        for options in (("--pool-idle", "0"), ("--pool-max", "0")):
            with self.subTest(options=options):
                self.restart(*options)
                self.served("cold" if "--pool-idle" in options else "clone")
                self.ready(0)
                verdict = self.served("clone")
                self.assertEqual([d for d in verdict["details"] if DETOUR in d], [])
                self.assertEqual({k: self.shape()[k] for k in ("want", "hits", "misses")}, {"want": 0, "hits": 0, "misses": 2})
        reply = self.daemon.call(POOL + "Prime")
        self.assertEqual(reply["error"], POOL + "NoPool")
        self.assertIn("Maximum=", reply["parameters"]["message"])

    def test_without_templates_each_job_boots(self):
        self.restart("--no-templates")
        self.served("cold")
        self.served("cold")
        self.assertEqual(self.shapes(), [])
        self.assertEqual(list(self.daemon.template_dir.iterdir()), [])
        reply = self.daemon.call(POOL + "Prime")
        self.assertEqual(reply["error"], POOL + "NoPool")
        self.assertIn("Templates=", reply["parameters"]["message"])
        self.assertEqual(self.daemon.call(POOL + "Drop")["parameters"], {"dropped": 0})

    def test_a_shape_that_nobody_uses_is_let_go(self):
        # Once used it is let go after 4.3 times this.
        self.restart(conf="[Pool]\nKeepSec=300ms\n")
        self.served("cold")
        kt.wait_until(lambda: self.builds() == 1, "the template")
        self.empty()
        # Its template stays: a job is a clone.
        self.served("clone")

    def test_memory_bounds_the_pool(self):
        # An idle guest is taken to need 64 MiB until one was measured.
        self.restart("--pool-idle", "5", conf="[Pool]\nMemoryMax=70M\n")
        self.served("cold")
        kt.wait_until(lambda: self.shape()["memory_bytes"] > 0, "the first guest to be measured")
        self.assertEqual(self.list()["memory_max_bytes"], 70 << 20)
        # A fake needs next to nothing.
        self.ready(5)


class Failures(Base):
    """No guest of the pool, and no clone, is a reason for a job to fail."""

    def test_a_job_gets_another_guest(self):
        pool = f"a guest of the pool {DETOUR}: "
        clone = f"a clone {DETOUR}: "
        dies = "die_at_hand_out"
        for script, source, details in (
                (f"pool={dies}", "clone", [(pool, "code 8")]),
                (f"pool={dies},clone={dies}", "cold", [(pool, "code 8"), (clone, "code 8")]),
                (f"pool={dies},clone=refuse_restore", "cold", [(pool, "code 8"), (clone, "not today")]),
                (f"pool={dies},clone=fail_restore", "cold", [(pool, "code 8"), (clone, "could not restore the clone's state")]),
                (f"pool={dies},clone=die_restoring", "cold", [(pool, "code 8"), (clone, "code 5")]),
                (f"pool={dies},clone=refuse_args", "cold", [(pool, "code 8"), (clone, "smbus=off")]),
                (f"pool={dies},clone=refuse_cont", "cold", [(pool, "code 8"), (clone, "not today")]),
                (f"pool={dies},clone=die_paused", "cold", [(pool, "code 8"), (clone, "code 4")])):
            with self.subTest(script=script):
                self.prime(script)
                result = self.submit("--sched", "/bin/ls")
                verdict = result.verdict()
                self.assertEqual((result.status, verdict["verdict"], verdict["guest"]["source"]), (0, "pass", source), result)
                detours = [d for d in verdict["details"] if DETOUR in d]
                self.assertEqual(len(detours), len(details), detours)
                for detour, (begin, words) in zip(detours, details):
                    self.assertTrue(detour.startswith(begin) and words in detour, detour)
                # Each way is told when it is gone.
                said = [e["guest"]["source"] for e in result.events() if e.get("state") == "booting"]
                self.assertEqual(said, ["pool", "clone", "cold"][:len(details) + 1])
                self.assertNotIn("error", verdict)
        # What was handed to those that died was not run.
        self.assertEqual(len(self.daemon.jobs()), 8)

    def test_when_nothing_boots_the_verdict_tells_all(self):
        self.prime("pool=die_at_hand_out,clone=fail_restore,job=die_before_hello")
        result = self.submit()
        verdict = result.verdict()
        self.assertEqual((result.status, verdict["error"], verdict["guest"]["source"]), (3, JOB + "GuestBoot", "cold"), result)
        self.assertIn("the tape ran out", verdict["reason"])
        self.assertEqual([d.split(" failed")[0] for d in verdict["details"] if DETOUR in d], ["a guest of the pool", "a clone"])

    def test_a_guest_that_had_the_job_is_not_replaced(self):
        for script, error in (("panic_running", "GuestDied"), ("kvm_error", "GuestDied")):
            with self.subTest(script=script):
                self.prime(f"pool={script}")
                before = self.daemon.handed.read_text().count("\njob ")
                result = self.submit()
                self.assertEqual((result.status, result.verdict()["error"]), (3, JOB + error), result)
                self.assertEqual(self.daemon.handed.read_text().count("\njob "), before + 1)
                self.assertEqual([d for d in result.verdict()["details"] if DETOUR in d], [])

    def test_a_job_whose_time_is_over_gets_no_other(self):
        self.prime("pool=never_wakes")
        result = self.submit("--timeout", "2s")
        self.assertEqual((result.status, result.verdict()["error"]), (3, JOB + "Timeout"), result)
        self.assertEqual(result.verdict()["guest"]["source"], "pool")

    def test_guests_that_die_while_they_wait_are_replaced(self):
        self.prime()
        waiting = self.daemon.children()
        self.assertEqual(len(waiting), 2)
        # As the kernel does when memory is out. Those that come in their place do not get anywhere for now.
        self.daemon.play("pool=never_restored")
        for pid in waiting:
            os.kill(pid, signal.SIGKILL)
        self.wait_for(idle=0)
        self.assertGreater(self.shape()["failures"], 0)
        self.assertIn("while it waited for a job", self.shape()["reason"])
        self.assertEqual(self.metrics()["ktstrd_guests_failed"].value("_total", end="died"), 2)
        # A job need not wait until there are new ones.
        self.served("clone")
        self.daemon.play("ok")
        for pid in self.daemon.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.ready()
        self.assertEqual(self.shape()["failures"], 0)
        self.served("pool")

    def test_a_guest_that_talks_while_it_waits_is_not_handed_out(self):
        """It is thrown away when that is noticed: before a job comes for it, just then, or when it has been let run for it."""
        self.daemon.play("pool=talk_parked")
        for _ in range(20):
            self.assertEqual(self.submit().status, 0)
            # Tried again at once, whatever failed before.
            self.daemon.call(POOL + "Prime")
        self.assertIn("it spoke before it was let run", self.daemon.log())
        self.daemon.play("ok")
        self.daemon.call(POOL + "Drop")
        self.daemon.call(POOL + "Prime")
        self.served("pool")

    def test_a_template_whose_clones_do_not_wake_is_built_anew(self):
        self.daemon.play("pool=fail_restore")
        self.served("cold")
        kt.wait_until(lambda: "its clones do not wake" in self.daemon.log(), "the template to be thrown away")
        kt.wait_until(lambda: self.builds() >= 2, "it to be built anew")
        self.daemon.play("ok")
        self.ready()
        self.served("pool")

    def test_a_kernel_without_dev_mem_has_a_pool_too(self):
        self.daemon.play("no_mailbox")
        self.served("cold")
        self.ready()
        verdict = self.served("pool", "--sched", "/bin/ls")
        self.assertIn("cannot read its mailbox", verdict["details"][0])
        self.assertIn("\nwake\n", self.daemon.handed.read_text())

    def test_what_a_rehearsal_says_is_nobodys(self):
        self.prime("chatty_park")
        result = self.submit()
        self.assertEqual(result.status, 0, result)
        self.assertNotIn("la la", result.out)

    def test_what_the_mailbox_does_not_hold_follows(self):
        self.prime()
        large = self.daemon.dir / "large"
        with open(large, "wb") as f:
            f.truncate(40 << 20)
        result = self.daemon.ctl("shell", "-i", large, "--exec", "true")
        self.assertEqual(result.status, 0, result)
        self.assertIn(f" {40 << 20} ", self.daemon.handed.read_text())
        self.assertEqual(self.shape()["hits"], 1)


class Cancelled(Base):
    """A job may be cancelled, or its client go away, wherever it is."""

    def large_file(self):
        """What takes a moment to be put in."""
        with open(self.daemon.dir / "large", "wb") as f:
            f.truncate(28 << 20)
        return [{"guest_path": "/include-files/large", "path": str(self.daemon.dir / "large")}]

    def woken(self):
        return self.daemon.handed.read_text().count("woken\n")

    def check(self, script, state, renew, parameters=None, method=JOB + "Submit"):
        for by in ("cancel", "leaving"):
            with self.subTest(script=script, state=state, by=by):
                # A guest that plays along may be through before we come.
                verdict = kt.until_told(lambda: self.ended_by(by, script, state, renew, parameters or {}, method),
                                        lambda told: told["verdict"] == "cancelled")
                self.assertEqual(verdict["verdict"], "cancelled", verdict)

    def ended_by(self, by, script, state, renew, parameters, method):
        """The verdict of a job of which that was done when it was so far."""
        renew(script)
        descriptors, children, woken = self.descriptors, len(self.daemon.children()), self.woken()
        wire = self.daemon.connect()
        wire.send(method, parameters, more=True)
        events = []
        while not events or (events[-1].get("kind"), events[-1].get("state")) != ("guest", state):
            reply = wire.receive()["parameters"]
            events += [reply["event"]] if "event" in reply else []
        job = reply["job"]
        if "never_wakes" in script:
            kt.wait_until(lambda: self.woken() > woken, "the guest to be continued")
        if by == "cancel":
            self.daemon.call(JOB + "Cancel", job=job)
            while reply := wire.receive():
                events += [reply["parameters"]["event"]] if "event" in reply["parameters"] else []
                if not reply.get("continues"):
                    break
        wire.socket.close()
        verdict = self.ended(job)
        if by == "cancel":
            self.assertEqual([e["verdict"] for e in events if e["kind"] == "verdict"], [verdict])
        self.assertEqual([d for d in verdict["details"] if DETOUR in d], [])
        # No other guest was tried, the one is gone, and the pool is as it was.
        kt.wait_until(lambda: len(self.daemon.children()) == children, "the guests to be as many as before")
        self.ready(children)
        self.assertEqual(self.shape()["failures"], 0)
        kt.wait_until(lambda: self.daemon.descriptors() <= descriptors, "descriptors to be closed")
        return verdict

    def test_with_a_guest_of_the_pool(self):
        self.prime()
        self.served("pool")
        self.ready()
        self.descriptors = self.daemon.descriptors()
        self.check("pool=ok", "booting", self.prime, {"command": "true", "files": self.large_file()}, "io.ktstrd.Shell.Open")
        self.check("pool=never_wakes", "booting", self.prime)
        self.check("pool=hang_after_hello", "running", self.prime)
        self.check("pool=wait_for_cancel", "running", self.prime)

    def test_with_a_clone(self):
        self.restart("--pool-idle", "0")
        self.served("cold")
        self.ready(0)
        self.served("clone")
        kt.wait_until(lambda: not self.daemon.children(), "the guest to go")
        self.descriptors = self.daemon.descriptors()
        self.check("clone=never_qmp", "booting", self.daemon.play)
        self.check("clone=never_restored", "booting", self.daemon.play)
        self.check("clone=ok", "booting", self.daemon.play, {"command": "true", "files": self.large_file()}, "io.ktstrd.Shell.Open")
        self.check("clone=never_wakes", "booting", self.daemon.play)
        self.check("clone=hang_after_hello", "running", self.daemon.play)
        self.check("clone=wait_for_cancel", "running", self.daemon.play)

    def test_between_two_guests(self):
        """The first is gone, the second does not come up."""
        self.prime("pool=die_at_hand_out,clone=never_restored")
        wire = self.daemon.connect()
        wire.send(JOB + "Submit", {}, more=True)
        while True:
            reply = wire.receive()["parameters"]
            if reply["event"].get("guest", {}).get("source") == "clone":
                break
        self.daemon.call(JOB + "Cancel", job=reply["job"])
        verdict = self.ended(reply["job"])
        self.assertEqual(verdict["verdict"], "cancelled")
        self.assertEqual(len([d for d in verdict["details"] if DETOUR in d]), 1)
        wire.socket.close()


class Kernels(Base):
    def test_a_kernel_with_idle_guests_can_be_removed(self):
        self.prime()
        result = self.daemon.ctl("kernel", "remove", KERNEL)
        self.assertEqual(result.status, 0, result)
        # What was made of it goes with it.
        self.empty()
        kt.wait_until(lambda: list(self.daemon.template_dir.iterdir()) == [], "its template to be removed")
        self.assertEqual(self.submit().verdict()["error"], "io.ktstrd.Kernel.NoSuchKernel")
        import_kernel(self.daemon)
        self.served("cold")
        self.ready()
        self.served("pool")


class Waking(unittest.TestCase):
    """The last, since it is begun first: see setUpModule()."""

    def check(self, source, way, other):
        daemon, client = patient[source]
        out, err = client.communicate(timeout=kt.PATIENCE_S)
        verdict = kt.Result(client.args, client.returncode, out, err).verdict()
        self.assertEqual((client.returncode, verdict["verdict"], verdict["guest"]["source"]), (0, "pass", other), out)
        self.assertEqual([d for d in verdict["details"] if DETOUR in d],
                         [f"{way} {DETOUR}: the guest did not wake after 21 s; its console is empty"])
        self.assertGreaterEqual(verdict["elapsed_ms"], 21000)
        m = openmetrics.read(daemon.call(DAEMON + "Metrics")["parameters"]["text"])
        self.assertEqual(m["ktstrd_guests_failed"].value("_total", end="boot"), 1)

    def test_a_guest_of_the_pool_that_never_wakes(self):
        self.check("pool", "a guest of the pool", "clone")

    def test_a_clone_that_never_wakes(self):
        self.check("clone", "a clone", "cold")


if __name__ == "__main__":
    kt.main()
