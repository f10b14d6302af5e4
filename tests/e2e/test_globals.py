# SPDX-License-Identifier: LGPL-2.1-or-later
"""Global variables of a scheduler's program, read and written by tests, on real guests."""

import unittest

import ktstr_test as kt

PROGRAM = kt.BUILD / "tests/programs/program-globals"
KERNELS = ("6.16", "6.18", "7")

ERRORS = {
    "wrong_name": "bpf_map_write: no global 'stal' in faulty, did you mean 'stall'?",
    "wrong_value": "bpf_map_write: global 'stall' of faulty: 4294967296 does not fit: it has 32 bits, from -2147483648 to 2147483647",
    "wrong_map": "bpf_map_write: faulty has no map '.date' of global variables; it has ",
    "wrong_member": "bpf_map_write: global 'uei.kin' of faulty: its struct has no 'kin', did you mean 'kind'?",
    "constant": "bpf_map_write: global 'degrade' of faulty is in .rodata, which is constant once the program is loaded: "
                "pass it to the scheduler, with .sched_args",
    "too_late": "bpf_map_write: stall was to be written at 60000 ms of the workload, and the test was over before",
    "wrong_name_in_an_operation": "step 1: map_write: no global 'stalll' in faulty, did you mean 'stall'?",
    "wrong_name_in_a_read": "map_read: no global 'nr_dispatched' in faulty",
}


class Globals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        env = {"KTSTR_SCHEDULER_BIN_SCX_KTSTR": str(kt.SCX_KTSTR), "KTSTR_SCHEDULER_BIN_SCX_QMAP": str(kt.data("scheds") / "scx_qmap")}
        cls.daemon = kt.GuestDaemon(env=env)
        cls.enterClassContext(cls.daemon)

    def verdicts(self, *names, kernels=("6.18",), more=()):
        args = [arg for name in names for arg in ("--filter", f"ktstr/{name}")] + [arg for k in kernels for arg in ("--kernel", k)]
        result = self.daemon.ctl("test", PROGRAM, "--json", "--jobs", "2", *args, *more, timeout=900)
        verdicts = {e["label"].removeprefix("ktstr/"): e["verdict"] for e in result.events() if e["kind"] == "verdict"}
        self.assertEqual(len(verdicts), len(names) * len(kernels), result)
        return verdicts, result

    def test_a_crash_is_written_before_and_a_counter_read_on_each_kernel(self):
        verdicts, result = self.verdicts("crashes_before", "counts", kernels=KERNELS)
        self.assertEqual({label: v["verdict"] for label, v in verdicts.items()}, {label: "pass" for label in verdicts}, result)
        for label, verdict in verdicts.items():
            if label.startswith("counts"):
                self.assertGreater({m["name"]: m["value"] for m in verdict["metrics"]}["degrade_cnt"], 0, verdict)
            else:
                self.assertEqual(verdict["scheduler"]["outcome"], "ejected", verdict)

    def test_whichever_process_has_it_and_whenever(self):
        verdicts, result = self.verdicts("crashes_in_a_child", "crashes_midway", "crashes_when_restarted", "writes_nothing_else")
        self.assertEqual({label: v["verdict"] for label, v in verdicts.items()}, {label: "pass" for label in verdicts}, result)

    def test_a_restart_at_its_time_does_not_hinder_it(self):
        verdicts, result = self.verdicts("writes_while_it_is_restarted")
        verdict = verdicts["writes_while_it_is_restarted"]
        self.assertEqual(verdict["verdict"], "pass", result)
        self.assertEqual(verdict["scheduler"]["outcome"], "stopped", verdict)

    def test_a_stall_begins_with_its_step(self):
        verdicts, result = self.verdicts("stalls_in_its_second_step")
        verdict = verdicts["stalls_in_its_second_step"]
        self.assertEqual((verdict["verdict"], verdict["scheduler"]["outcome"]), ("fail", "ejected"), result)
        self.assertIn("runnable task stall", verdict["reason"])

    def test_of_a_scheduler_that_nobody_here_wrote(self):
        verdicts, result = self.verdicts("counts_of_another", kernels=("6.16",), more=("--ignored",))
        self.assertEqual(verdicts["counts_of_another"]["verdict"], "pass", result)

    def test_what_cannot_be_is_the_tests_error(self):
        verdicts, result = self.verdicts(*ERRORS)
        # Which ones and in what order is the compiler's.
        sections = verdicts["wrong_map"]["reason"].removeprefix(ERRORS["wrong_map"])
        self.assertLessEqual({".bss", ".rodata", ".data.uei_dump"}, set(sections.split(", ")), result)
        verdicts["wrong_map"]["reason"] = ERRORS["wrong_map"]
        self.assertEqual({label: (v["verdict"], v["reason"]) for label, v in verdicts.items()},
                         {label: ("error", text) for label, text in ERRORS.items()}, result)
        self.assertEqual({v["scheduler"]["outcome"] for v in verdicts.values()}, {"stopped"}, result)


if __name__ == "__main__":
    kt.main()
