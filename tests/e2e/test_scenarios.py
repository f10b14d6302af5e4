# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each scenario in a real guest, under the kernel's own scheduler and under a sound one of sched_ext: where one of them fails, the scenario's
work or its checks are wrong."""

import concurrent.futures
import os
import re
import unittest

import ktstr_test as kt

ENTRY = re.compile(r'^X\(\w+, "(\w+)", "', re.MULTILINE)
NAMES = ENTRY.findall((kt.SOURCE / "lib/include/scenarios.h").read_text())
# What needs more than the two CPUs of the default.
LARGER = {
    "steady_llc": "1n2l1c1t",
    "custom_affinity_cpuset_multicpu_pin": "1n1l5c1t",
    "custom_cpuset_numa_swap": "2n2l1c1t",
    "custom_stress_cpuset_cross_llc_race": "1n2l1c1t",
}


def guests_at_a_time(accelerator):
    """So many that each has its CPUs: emulated ones have one, whatever they show."""
    return max(1, len(os.sched_getaffinity(0)) // (1 if accelerator == "tcg" else 2))


class Scenarios(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon()
        cls.enterClassContext(cls.daemon)
        cls.daemon.prime()
        cls.at_a_time = guests_at_a_time(cls.daemon.call("io.ktstrd.Daemon.Status")["parameters"]["accelerator"])

    def run_one(self, name, topology, *options):
        return self.daemon.ctl("submit", "--json", "--scenario", name, "--topology", topology, "--duration", "1s", *options)

    def check_all(self, names, *options):
        with concurrent.futures.ThreadPoolExecutor(self.at_a_time) as pool:
            results = list(pool.map(lambda name: kt.until_told(lambda: self.run_one(name, LARGER.get(name, "1n1l2c1t"), *options)), names))
        for name, result in zip(names, results):
            with self.subTest(scenario=name, options=options):
                verdict = result.verdict()
                self.assertEqual(verdict["verdict"], "pass", result)
                self.assertGreater(len(verdict["workers"]), 0)
                self.assertEqual([w for w in verdict["workers"] if w.get("exit")], [], result)

    def test_under_a_sched_ext_scheduler(self):
        self.assertGreater(len(NAMES), 50)
        self.check_all(NAMES, "--sched", kt.data("scheds") / "scx_simple")

    def test_under_eevdf(self):
        self.check_all(NAMES)

    def test_a_guest_that_is_too_small_is_told(self):
        for name in LARGER:
            with self.subTest(scenario=name):
                result = self.run_one(name, "1n1l1c1t")
                self.assertEqual(result.verdict()["verdict"], "skip", result)
                self.assertRegex(result.verdict()["reason"], r"^needs \d+ .*, this guest has 1: give it a larger topology$")


if __name__ == "__main__":
    kt.main()
