# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs that ask for CPUs of the host: performance mode and budgets. The guests are played by the fake QEMU, whose threads are real."""

import json
import unittest

import kernel_files
import ktstr_test as kt
from build_case import BUILD, Case as BuildCase, Stream
from host_cpus import CPUS, needs_a_guest_as_large, needs_two_cpus, numbers, qemus, threads_of

JOB = "io.ktstrd.Job."
ONE = "1n1l1c1t"
# From this version on each vCPU has a thread under tcg too.
THREADS = {"FAKE_QEMU_VERSION": "8.2"}
# More vCPUs than there are CPUs beside the one that all else of QEMU wants.
TOO_MANY = f"1n1l{len(CPUS)}c1t"


class Jobs:
    """What is done with detached jobs, which run until they are cancelled or `ok` is played."""

    def new_daemon(self, *options, env=THREADS, **keywords):
        daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", *options, fake="wait_for_cancel", env=env, **keywords)
        self.enterContext(daemon)
        return daemon

    def import_kernel(self):
        image = self.daemon.dir / "vmlinux"
        image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
        result = self.daemon.ctl("kernel", "import", image)
        self.assertEqual(result.status, 0, result)

    def submit(self, topology=ONE, **parameters):
        reply = self.daemon.call(JOB + "Submit", detach=True, topology=topology, **parameters)
        self.assertNotIn("error", reply)
        return reply["parameters"]["job"]

    def show(self, job):
        return self.daemon.call(JOB + "Show", job=job)["parameters"]

    def state(self, job):
        return self.show(job)["job"]["state"]

    def wait_for(self, job, state):
        kt.wait_until(lambda: self.state(job) == state, f"{job} to be {state}")

    def started(self):
        """Jobs in the order in which they came into their guests; the last line may be on its way."""
        whole = self.daemon.handed.read_text().rpartition("\n")[0] if self.daemon.handed.exists() else ""
        return [json.loads(line.removeprefix("job "))["job"] for line in whole.splitlines() if line.startswith("job ")]

    def hold(self, **parameters):
        """One that runs until it is cancelled, and is in its guest."""
        job = self.submit(**parameters)
        self.wait_for(job, "running")
        kt.wait_until(lambda: job in self.started(), f"{job} to be in its guest")
        return job

    def verdict(self, job):
        self.wait_for(job, "ended")
        return self.show(job)["verdict"]

    def cancel(self, job):
        self.assertNotIn("error", self.daemon.call(JOB + "Cancel", job=job))
        self.wait_for(job, "ended")

    def threads(self, job):
        (pid,) = qemus(self.daemon, f"{job},")
        return list(threads_of(pid))

    def notes(self, job):
        with self.daemon.connect() as wire:
            wire.send(JOB + "Attach", {"job": job}, more=True)
            while event := wire.receive()["parameters"].get("event"):
                if event["kind"] == "note":
                    yield event["message"]
                if event["kind"] == "verdict":
                    return


class Case(Jobs, unittest.TestCase):
    def setUp(self):
        self.daemon = self.new_daemon()
        self.import_kernel()


class Budget(Case):
    def test_all_threads_are_confined_to_as_many_cpus(self):
        job = self.hold(topology="1n1l2c1t", cpu_budget=1)
        threads = self.threads(job)
        self.assertEqual(sorted(name for name, _ in threads if name.startswith("CPU ")), ["CPU 0/TCG", "CPU 1/TCG"])
        self.assertGreater(len(threads), 2)
        self.assertEqual([cpus for _, cpus in threads], [CPUS[:1]] * len(threads))
        self.cancel(job)
        self.assertEqual(self.show(job)["verdict"]["placement"], {"performance_mode": False, "host_cpus": str(CPUS[0])})
        self.assertIn(f"QEMU is confined to CPUs of the host: {CPUS[0]}", list(self.notes(job)))

    @unittest.skipIf(len(CPUS) < 2, "two budgets want two CPUs")
    def test_two_do_not_meet_as_long_as_there_is_room(self):
        jobs = [self.hold(cpu_budget=1) for _ in range(2)]
        self.assertEqual([self.threads(job)[0][1] for job in jobs], [CPUS[:1], CPUS[1:2]])
        # What one gives back is the next one's.
        self.cancel(jobs[0])
        jobs[0] = self.hold(cpu_budget=1)
        self.assertEqual(self.threads(jobs[0])[0][1], CPUS[:1])
        for job in jobs:
            self.cancel(job)

    def test_more_than_the_host_has_is_all_of_it(self):
        job = self.hold(cpu_budget=len(CPUS) + 1)
        self.assertEqual({tuple(cpus) for _, cpus in self.threads(job)}, {tuple(CPUS)})
        self.cancel(job)
        self.assertEqual(numbers(self.show(job)["verdict"]["placement"]["host_cpus"]), CPUS)

    def test_without_one_qemu_runs_anywhere(self):
        job = self.hold()
        self.assertEqual({tuple(cpus) for _, cpus in self.threads(job)}, {tuple(CPUS)})
        self.cancel(job)
        self.assertNotIn("placement", self.show(job)["verdict"])

    def test_what_cannot_be_is_refused(self):
        for parameters, words in (({"cpu_budget": 0}, "--cpu-cap must be ≥ 1 CPU (got 0)"), ({"cpu_budget": -3}, "≥ 1 CPU (got -3)"),
                                  ({"cpu_budget": 1025}, "must be from 1 to 1024, not 1025"),
                                  ({"cpu_budget": 1, "performance_mode": True}, "leave out one")):
            with self.subTest(parameters=parameters):
                reply = self.daemon.call(JOB + "Submit", detach=True, **parameters)
                self.assertEqual(reply["error"], "org.varlink.service.InvalidParameter")
                self.assertEqual(reply["parameters"]["parameter"], "cpu_budget")
                self.assertIn(words, reply["parameters"]["message"])


class Client(Case):
    def test_what_was_done_is_shown(self):
        self.daemon.play("ok")
        result = self.daemon.ctl("submit", "--topology", ONE, "--cpu-cap", 1)
        self.assertEqual(result.status, 0, result)
        self.assertIn(f"\n  host CPUs: {CPUS[0]}\n", result.out)

    @needs_two_cpus
    def test_performance_mode_is_shown(self):
        self.daemon.play("ok")
        result = self.daemon.ctl("submit", "--topology", ONE, "--perf-mode")
        self.assertEqual(result.status, 0, result)
        self.assertRegex(result.out, r"\n  host CPUs: [\d,-]+, one for each vCPU and CPU \d+ for the rest; no other job ran\n")

    @needs_two_cpus
    def test_who_waits_is_told_why(self):
        """One is next, hardly anything runs, and still it does not begin."""
        beside = "waits for a job in performance mode, which has the host to itself"
        first = "performance mode: waits until no other job runs, nor a build of a kernel"
        for runs, waits, words in (({}, {"performance_mode": True}, [first]), ({"performance_mode": True}, {}, [beside]),
                                   ({"performance_mode": True}, {"performance_mode": True}, [beside])):
            with self.subTest(runs=runs, waits=waits):
                held = self.hold(**runs)
                job = self.submit(**waits)
                self.cancel(job)
                self.assertEqual(list(self.notes(job)), words)
                self.cancel(held)
        # Who does not wait for that is told nothing.
        for parameters in ({}, {"performance_mode": True}):
            job = self.hold(**parameters)
            self.cancel(job)
            self.assertNotIn("waits", " ".join(self.notes(job)))

    @needs_a_guest_as_large
    def test_a_skip_is_told_and_no_failure(self):
        result = self.daemon.ctl("submit", "--topology", TOO_MANY, "--perf-mode")
        self.assertEqual(result.status, 0, result)
        self.assertIn(f"performance mode wants {len(CPUS) + 1} CPUs of the host", result.out)
        self.assertRegex(result.out, r"(?m)^SKIP ")

    def test_what_cannot_be_is_refused(self):
        for options, words in ((["--cpu-cap", 0], "--cpu-cap must be ≥ 1 CPU (got 0)"), (["--cpu-cap", "x"], "'x' is no number from 1 to 1024"),
                               (["--perf-mode", "--cpu-cap", 1], "leave out one")):
            with self.subTest(options=options):
                result = self.daemon.ctl("submit", *options)
                self.assertEqual(result.status, 64, result)
                self.assertIn(words, result.err)


class Performance(Case):
    @needs_two_cpus
    def test_the_vcpu_has_a_cpu_and_all_else_has_one(self):
        job = self.hold(performance_mode=True)
        threads = self.threads(job)
        vcpus = [cpus for name, cpus in threads if name == "CPU 0/TCG"]
        others = {tuple(cpus) for name, cpus in threads if name != "CPU 0/TCG"}
        self.cancel(job)
        placement = self.show(job)["verdict"]["placement"]
        self.assertTrue(placement["performance_mode"])
        self.assertEqual(vcpus, [placement["vcpus"]])
        self.assertEqual(others, {(placement["rest"],)})
        self.assertEqual(numbers(placement["host_cpus"]), sorted([*placement["vcpus"], placement["rest"]]))
        self.assertLessEqual(set(numbers(placement["host_cpus"])), set(CPUS))
        self.assertNotEqual(placement["vcpus"], [placement["rest"]])
        self.assertIn(f"performance mode: each vCPU has a CPU of the host ({placement['vcpus'][0]}), all else of QEMU has CPU "
                      f"{placement['rest']}", list(self.notes(job)))

    @needs_two_cpus
    def test_nothing_runs_beside_it(self):
        before = self.hold()
        alone = self.submit(performance_mode=True)
        self.assertEqual(self.state(alone), "queued")
        self.cancel(before)
        kt.wait_until(lambda: alone in self.started(), f"{alone} to be in its guest")
        after = self.submit()
        another = self.submit(performance_mode=True)
        self.assertEqual((self.state(after), self.state(another)), ("queued", "queued"))
        self.daemon.play("ok")
        self.cancel(alone)
        self.assertEqual((self.verdict(after)["verdict"], self.verdict(another)["verdict"]), ("pass", "pass"))
        self.assertEqual(self.started(), [before, alone, after, another])

    @needs_a_guest_as_large
    def test_a_host_that_is_too_small_skips_at_once_and_says_why(self):
        held = self.hold()
        verdict = self.verdict(self.submit(topology=TOO_MANY, performance_mode=True))
        self.assertEqual(self.state(held), "running")
        self.assertEqual(verdict["verdict"], "skip")
        n, s = len(CPUS), "" if len(CPUS) == 1 else "s"
        self.assertEqual(verdict["reason"], f"performance mode wants {n + 1} CPUs of the host, one for each of {n} vCPU{s} and one for the rest; "
                         f"it may use {n}: run it on a larger host, or without performance mode (--no-perf-mode)")
        self.assertNotIn("guest", verdict)
        self.assertNotIn("placement", verdict)
        self.cancel(held)

    @needs_two_cpus
    def test_a_skip_is_in_nobodys_way(self):
        """However large it is: neither on a host that is full, nor beside one that has it to itself."""
        large = f"1n{8 * len(CPUS)}l1c1t"
        self.daemon = self.new_daemon("--overcommit", 1)
        self.import_kernel()
        for held in ({"topology": TOO_MANY}, {"performance_mode": True}):
            with self.subTest(held=held):
                held = self.hold(**held)
                self.assertEqual(self.verdict(self.submit(topology=large, performance_mode=True))["verdict"], "skip")
                other = self.submit()
                self.assertEqual((self.state(held), self.state(other)), ("running", "queued"))
                self.cancel(other)
                self.cancel(held)

    @needs_two_cpus
    def test_what_cannot_be_confined_is_an_error(self):
        self.daemon.play("odd_threads")
        verdict = self.verdict(self.submit(performance_mode=True))
        self.assertEqual((verdict["verdict"], verdict["error"]), ("error", "io.ktstrd.Job.GuestStart"), verdict)
        self.assertRegex(verdict["reason"], r"^QEMU \d+ has no thread \d+, which it says is that of vCPU 0$")
        self.assertNotIn("placement", verdict)
        # Nothing of the daemon was confined in its place.
        self.assertEqual({tuple(cpus) for _, cpus in threads_of(self.daemon.process.pid)}, {tuple(CPUS)})

    @needs_two_cpus
    def test_one_that_waits_can_be_cancelled(self):
        held = self.hold()
        alone = self.submit(performance_mode=True)
        self.cancel(alone)
        self.cancel(held)
        # Nobody waits for it any more.
        self.daemon.play("ok")
        self.assertEqual(self.verdict(self.submit())["verdict"], "pass")


class OneThread(Jobs, unittest.TestCase):
    """A QEMU that emulates all vCPUs in one thread."""

    def setUp(self):
        self.daemon = self.new_daemon(env=None)
        self.import_kernel()

    @unittest.skipIf(len(CPUS) < 3, "performance mode wants three CPUs for two vCPUs")
    def test_two_vcpus_cannot_have_a_cpu_each(self):
        verdict = self.verdict(self.submit(topology="1n1l2c1t", performance_mode=True))
        self.assertEqual((verdict["verdict"], verdict["reason"]), (
            "skip", "performance mode wants a thread of QEMU for each vCPU, and this one emulates all in one: run it on a host with KVM, "
            "or without performance mode (--no-perf-mode)"))

    @needs_two_cpus
    def test_one_vcpu_can(self):
        self.daemon.play("ok")
        verdict = self.verdict(self.submit(performance_mode=True))
        self.assertEqual(verdict["verdict"], "pass")
        self.assertTrue(verdict["placement"]["performance_mode"])


class Pool(Jobs, unittest.TestCase):
    def setUp(self):
        self.daemon = self.new_daemon("--pool-idle", 1, templates=True)
        self.import_kernel()

    @needs_two_cpus
    def test_a_guest_that_waited_is_confined_too(self):
        reply = self.daemon.call("io.ktstrd.Pool.Prime", topology=ONE, idle=1)
        self.assertNotIn("error", reply)
        job = self.hold(performance_mode=True)
        # The one that it took: while it runs no other is made.
        (pid,) = qemus(self.daemon, "pool-")
        threads = list(threads_of(pid))
        self.cancel(job)
        verdict = self.show(job)["verdict"]
        self.assertEqual(verdict["guest"]["source"], "pool")
        placement = verdict["placement"]
        self.assertEqual([cpus for name, cpus in threads if name == "CPU 0/TCG"], [placement["vcpus"]])
        self.assertEqual({tuple(cpus) for name, cpus in threads if name != "CPU 0/TCG"}, {(placement["rest"],)})
        # And then it is.
        kt.wait_until(lambda: [s["idle"] for s in self.daemon.call("io.ktstrd.Pool.List")["parameters"]["shapes"]] == [1], "another guest waits")


@needs_two_cpus
class Builds(Jobs, BuildCase):
    """A build is a job as well, and takes all of the host."""

    def test_it_waits_for_a_build_and_the_next_build_for_it(self):
        self.script("stage resolve\nhold here\nplan\nresult")
        self.daemon = self.enterContext(kt.Daemon("--builder", self.helper, "--agent", "/bin/true", "--busybox", "/bin/true", env=self.env(),
                                                  fake="wait_for_cancel"))
        self.import_kernel()
        build = self.held_build(self.daemon)
        alone = self.submit(performance_mode=True)
        self.assertEqual(self.state(alone), "queued")
        # Others pass it meanwhile.
        other = self.hold()
        self.cancel(other)
        self.assertEqual(self.state(alone), "queued")
        next_build = Stream(self.daemon, BUILD, version="6.14.3")
        self.assertEqual(next_build.next()["kind"], "queued")
        self.release("here")
        self.assertEqual(build.verdict()["verdict"], "pass")
        self.wait_for(alone, "running")
        self.assertEqual(self.state(next_build.job), "queued")
        self.cancel(alone)
        self.assertEqual(next_build.verdict()["verdict"], "pass")


if __name__ == "__main__":
    kt.main()
