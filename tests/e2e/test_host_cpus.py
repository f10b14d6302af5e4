# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real guests on CPUs of the host: performance mode, and a budget."""

import unittest

import ktstr_test as kt
from host_cpus import CPUS, needs_a_guest_as_large, needs_two_cpus, numbers, qemus, threads_of

JOB = "io.ktstrd.Job."
PROGRAM = kt.BUILD / "tests/programs/program-host_cpus"


def is_vcpu(name):
    """A thread of QEMU's that runs a vCPU, or emulates all of them."""
    return name.startswith(("CPU ", "ALL CPUs"))


class HostCpus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon()
        cls.enterClassContext(cls.daemon)

    def show(self, job):
        return self.daemon.call(JOB + "Show", job=job)["parameters"]

    def while_it_runs(self, **parameters):
        """The threads of its QEMU, and what the verdict says of them. The job is cancelled: it would last for longer than anybody looks."""
        reply = self.daemon.call(JOB + "Submit", detach=True, topology="1n1l1c1t", duration_ms=3600 * 1000, **parameters)
        self.assertNotIn("error", reply)
        job = reply["parameters"]["job"]
        kt.wait_until(lambda: self.show(job)["job"]["state"] in ("running", "ended"), "the guest to be up")
        self.assertEqual(self.show(job)["job"]["state"], "running", self.show(job))
        # Of a guest that was in the pool QEMU has another name: it is the one that is confined.
        threads = [t for t in (list(threads_of(pid)) for pid in qemus(self.daemon, "")) if any(cpus != CPUS for _, cpus in t)]
        self.daemon.call(JOB + "Cancel", job=job)
        kt.wait_until(lambda: self.show(job)["job"]["state"] == "ended", "the job to end")
        self.assertEqual(len(threads), 1, threads)
        return threads[0], self.show(job)["verdict"]["placement"]

    @needs_two_cpus
    def test_performance_mode(self):
        threads, placement = self.while_it_runs(performance_mode=True)
        self.assertTrue(placement["performance_mode"])
        self.assertEqual([cpus for name, cpus in threads if is_vcpu(name)], [placement["vcpus"]], threads)
        self.assertEqual({tuple(cpus) for name, cpus in threads if not is_vcpu(name)}, {(placement["rest"],)}, threads)

    @needs_two_cpus
    def test_a_budget(self):
        threads, placement = self.while_it_runs(cpu_budget=1)
        self.assertFalse(placement["performance_mode"])
        self.assertEqual({tuple(cpus) for _, cpus in threads}, {tuple(numbers(placement["host_cpus"]))}, threads)
        self.assertEqual(len(numbers(placement["host_cpus"])), 1)

    def run_tests(self, *options):
        """The placement of each test that passed."""

        def verdicts_of(result):
            return {e["test"]: e["verdict"] for e in result.events() if e["kind"] == "verdict"}

        result = kt.until_told(lambda: self.daemon.ctl("test", PROGRAM, "--json", *options, timeout=900),
                               lambda r: all(v["verdict"] != "inconclusive" for v in verdicts_of(r).values()))
        self.assertEqual(result.status, 0, result)
        verdicts = verdicts_of(result)
        self.assertEqual({name: v["verdict"] for name, v in verdicts.items()}, {"alone": "pass", "frugal": "pass"}, result)
        return {name: v.get("placement") for name, v in verdicts.items()}

    @needs_two_cpus
    def test_tests_that_declare_it(self):
        placements = self.run_tests()
        self.assertTrue(placements["alone"]["performance_mode"])
        self.assertEqual((placements["frugal"]["performance_mode"], len(numbers(placements["frugal"]["host_cpus"]))), (False, 1))

    def test_as_all_others(self):
        placements = self.run_tests("--no-perf-mode")
        self.assertIsNone(placements["alone"])
        self.assertEqual(len(numbers(placements["frugal"]["host_cpus"])), 1)

    @needs_a_guest_as_large
    def test_a_guest_as_large_as_the_host_is_skipped(self):
        n = len(CPUS)
        result = self.daemon.ctl("submit", "--json", "--perf-mode", "--topology", f"1n1l{n}c1t")
        verdict = result.verdict()
        self.assertEqual((verdict["verdict"], result.status), ("skip", 0), result)
        self.assertIn(f"performance mode wants {n + 1} CPUs of the host", verdict["reason"])
        self.assertNotIn("guest", verdict)


if __name__ == "__main__":
    kt.main()
