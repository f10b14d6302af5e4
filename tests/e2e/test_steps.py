# SPDX-License-Identifier: LGPL-2.1-or-later
"""Steps, operations and cpusets in real guests: tests/lib/body_cases.c, run by a body without an agent; and those that want one."""

import json
import unittest

import ktstr_test as kt

DRIVER = kt.BUILD / "tests/lib/body-driver"
PROGRAM = kt.BUILD / "tests/programs/program-scheduler_ops"

# What must not be there when a body has ended: cgroups, workers, CPUs that are away.
# (The agent's own is there from the start.)
LEFT = ("find /sys/fs/cgroup -mindepth 1 -type d ! -name ktstr-body; cat /sys/devices/system/cpu/offline; "
        "grep -s '(ktstr-worker) [^Z]' /proc/[0-9]*/stat; true")


def result_of(text):
    """A body's result, of what it said."""
    results = [json.loads(line)["result"] for line in text.splitlines() if line.startswith('{"result"')]
    assert len(results) == 1, text
    return results[0]


def messages(result):
    return [m["text"] for m in result["messages"]]


def cgroups(result, name):
    found = [c for c in result["workload"]["cgroups"] if c["name"] == name]
    assert found, result
    return found


def cpus(text):
    """The CPUs of a list: "0-3,7"."""
    ranges = [part.split("-") for part in text.split(",") if part]
    return {cpu for r in ranges for cpu in range(int(r[0]), int(r[-1]) + 1)}


def cpus_used(cgroup):
    return {cpu for w in cgroup["workers"] for cpu in cpus(w["cpus_used"])}


class Steps(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon()
        cls.enterClassContext(cls.daemon)
        # Each takes a second: those that want the same machine share one.
        cls.results = cls.run_cases("1n2l4c1t", "split", "cpuset_ops", "cpuset_above", "nested", "nested_is_seen", "controllers", "limits", "policies", "identity",
                                    "tasks", "freeze", "custom", "eats", "hotplug", "hotplug_error", "errors", "bad_load")
        cls.results.update(cls.run_cases("2n2l2c1t", "numa"))

    @classmethod
    def run_cases(cls, topology, *names):
        command = "".join(f"echo '== {n}'; /include-files/body-driver {n} </dev/null; echo status $?; {LEFT};" for n in names)
        result = cls.daemon.ctl("shell", "--timeout", "300s", "--topology", topology, "-i", DRIVER, "--exec", command, timeout=300)
        assert result.status == 0, result
        texts = result.out.split("== ")[1:]
        assert len(texts) == len(names), result
        return {text.split("\n", 1)[0]: text.split("\n", 1)[1] for text in texts}

    def result(self, name, outcome="pass"):
        text = self.results[name]
        self.assertTrue(text.endswith("}\nstatus 0\n\n"), f"{name} has left something: {text}")
        result = result_of(text)
        self.assertEqual(result["outcome"], outcome, text)
        return result

    def test_cpusets_are_parts_of_the_machine(self):
        result = self.result("split")
        for name, allowed in (("left", "0-2"), ("right", "3-6"), ("llc", "4-7")):
            (cgroup,) = cgroups(result, name)
            self.assertEqual((cgroup["cpus"], cgroup["isolated"], len(cgroup["workers"])), (allowed, True, 2), result)
            self.assertLessEqual(cpus_used(cgroup), cpus(allowed), result)

    def test_cpusets_that_change_are_judged_by_the_last(self):
        result = self.result("cpuset_ops")
        self.assertEqual([(c["name"], c.get("cpus"), c["isolated"]) for c in result["workload"]["cgroups"]],
                         [("a", "0-1", True), ("b", "2-3", True), ("c", "4", True), ("d", None, False)])
        self.assertEqual(cpus_used(cgroups(result, "c")[0]), {4}, result)

    def test_who_is_given_other_cpus_is_not_judged(self):
        result = self.result("cpuset_above")
        self.assertEqual([(c["name"], c["cpus"], c["isolated"]) for c in result["workload"]["cgroups"]],
                         [("up/moves", "3", False), ("up/stays", "2", True)])
        self.assertNotEqual(cpus_used(cgroups(result, "up/moves")[0]), {3}, result)

    def test_nested_cgroups_have_what_they_need(self):
        result = self.result("nested")
        self.assertLessEqual(cpus_used(cgroups(result, "top/in")[0]), {2, 3})
        for name in ("nested_is_seen", "controllers"):
            self.result(name)  # which looks for itself

    def test_the_kernel_has_what_was_defined(self):
        for name in ("limits", "policies", "identity"):
            self.result(name)

    def test_tasks_come_move_and_go(self):
        result = self.result("tasks")
        self.assertEqual([(c["name"], len(c["workers"])) for c in result["workload"]["cgroups"]],
                         [("from", 3), ("(host)", 2), ("pinned", 2), ("stopped", 2), ("stopped", 3)])
        self.assertEqual([w["cpus_used"] for w in cgroups(result, "pinned")[0]["workers"]], ["3", "4"])
        # None was stopped before it was told to.
        self.assertNotIn('"exit"', json.dumps(result))

    def test_frozen_time_is_no_gap(self):
        result = self.result("freeze")
        for name in ("ice", "ice/berg", "ice/deep"):
            for worker in cgroups(result, name)[0]["workers"]:
                self.assertGreater(worker["paused_ns"], 9_100_000_000)
                self.assertLess(worker["max_gap_ns"], 7_500_000_000)
        self.assertEqual({w["paused_ns"] for w in cgroups(result, "warm")[0]["workers"]}, {0})

    def test_an_authors_workers(self):
        result = self.result("custom", "error")
        wakes = cgroups(result, "wakes")[0]["wakes"]
        self.assertEqual((wakes["p50_ns"] in (1000, 3000), wakes["p99_ns"], wakes["max_ns"]), (True, 3000, 3000))
        self.assertGreater(wakes["count"], 20)
        self.assertEqual([w["exit"] for w in cgroups(result, "dies")[0]["workers"]], ["signal 11", "exit 3"])
        self.assertEqual(cgroups(result, "returns")[0]["workers"][0]["exit"],
                         "the function of Returns returned: it has to be an endless loop")
        self.assertEqual(messages(result), [
            "worker 0 of dies (Custom): signal 11; and 1 more of its workers ended by themselves",
            "worker 0 of returns (Custom): the function of Returns returned: it has to be an endless loop"])

    def test_who_has_no_memory_left_is_told_of(self):
        result = self.result("eats", "error")
        self.assertEqual(messages(result), ["worker 0 of eats (Custom): signal 9, as when the memory of its cgroup or of the guest runs out"])

    def test_cpus_go_and_come_back(self):
        result = self.result("hotplug")
        self.assertFalse(cgroups(result, "gone")[0]["isolated"], result)
        self.assertEqual(messages(self.result("hotplug_error", "error")), ["step 0: remove_cgroup: there is no cgroup 'typo'; there are: none"])

    def test_what_is_wrong_is_told_in_a_line(self):
        told = messages(self.result("errors", "error"))
        # Who was not let go before it went wrong was not starved.
        self.assertEqual({c["name"] for c in self.result("errors", "error")["workload"]["cgroups"]}, {"there"})
        told[10] = told[10].split(" and its memory")[0]
        self.assertEqual(told, [
            "step 0: cgroup 'cg_0': CpusetSpec validation failed: not enough usable CPUs (7) for 9 partitions",
            "step 0: cgroup 'cg_0': CpusetSpec validation failed: index 3 >= partition count 3",
            "step 0: cgroup '../x': a name is letters, digits, '_' and '-', with '/' between at most 16 of them",
            "step 0: cgroup 'cg_0': cpu_weight is from 1 to 10000, got 10001",
            "step 0: cgroup 'cg_0': cpuset_mems '7' is no list of this machine's 1 nodes",
            "step 0: cgroup 'cg_0': affinity: of the CPUs 1 none is in the cpuset 0",
            "step 0: cgroup 'cg_0': policy FIFO wants a priority from 1 to 97, got 0",
            "step 0: cgroup 'cg_0': workers and workers_pct: one of them, not both",
            "step 0: cgroup 'cg_0': comm 'a name that is long' is longer than the kernel's 15 characters",
            "step 0: cgroup 'cg_0': memory policy bind: there is no node 5, but 1 nodes",
            "step 0: 60000 workers need about 7500 MiB",
            "step 0: there is a cgroup 'twice' already",
            "step 0: cgroup 'up/down': cgroup up/down has controllers, and lies in one that has workers of its own: give those a cgroup beside it",
            "step 0: cgroup 'up/down': its cpuset 1-2 does not lie in 0-1, that of cgroup 'up'",
            "step 0: remove_cgroup: there is no cgroup 'typo'; there are: there",
            "step 0: freeze_cgroup: there is no cgroup 'own' yet: a step's operations come before its cgroups",
            "step 0: swap_cpusets: cgroup 'there' has no cpuset to swap",
            "step 0: cpu_offline: cpu0 cannot be taken offline",
            "step 0: cpu_offline: there is no cpu99: these are 0-7",
            "step 0: detach_scheduler: the test has no scheduler: it runs under EEVDF",
            "step 0: add_cgroup: there is a cgroup 'there' already",
            "late: a hold is a fraction of the test's duration, from 0 to 1, not 2",
            "step 0: cgroup 'fails': cannot give a worker the policy DEADLINE, nice 0: it may not have a cpuset or an affinity that are not all CPUs",
        ])
        # Who was never let go is not reported, and so not starved.
        self.assertNotIn("waits", [c["name"] for c in self.result("errors", "error").get("workload", {}).get("cgroups", [])])

    def test_a_scenarios_own_checks_reach_the_function(self):
        result = self.result("bad_load")
        self.assertEqual(result["workload"]["scenarios"][0]["checks"]["min_iteration_rate"], 1e12)

    def test_memory_is_where_it_was_to_be(self):
        result = self.result("numa", "error")
        self.assertEqual(messages(result),
                         ["step 0: cgroup 'cg_0': memory policy bind: its nodes 1 are not covered by the cpuset's nodes 0"])
        for name in ("near", "all", "weighted"):
            pages = cgroups(result, name)[0]["pages"]
            # Up to 4 MiB for each of two workers, and not what they share with the body, which is on any node.
            self.assertTrue(0 < pages["total"] < 2 * 1024 + 100, pages)
            self.assertEqual((pages["local"], pages["slow"]), (pages["total"], 0))

    def test_nothing_is_left_when_it_is_told_to_stop(self):
        words = ['{"stop":"time"}', '{"sched_gone":"ejected"}', '{"stop":"cancelled"}']
        # The word comes once the workload has begun.
        command = "mkfifo /tmp/word;" + "".join(
            f"exec 3<>/tmp/word; /include-files/body-driver lasts <&3 | while read l; do echo \"$l\"; case $l in *started*) "
            f"echo '{w}' >&3;; esac; done; exec 3>&-; echo '=='; {LEFT};" for w in words)
        result = self.daemon.ctl("shell", "--timeout", "300s", "--topology", "1n2l4c1t", "-i", DRIVER, "--exec", command, timeout=300)
        parts = result.out.split("==\n")
        self.assertEqual([p.strip() for p in parts[1:]][-1], "", result)
        self.assertEqual(result.out.count('{"result"'), len(words), result)
        for part in parts[:-1]:
            self.assertEqual(result_of(part)["outcome"], "pass", result)
            self.assertEqual([len(c["workers"]) for c in result_of(part)["workload"]["cgroups"]], [2, 2], result)
            self.assertNotIn("/sys/fs/cgroup/", part)

    def test_workers_die_with_a_body_that_is_killed(self):
        command = ("mkfifo /tmp/word; exec 3<>/tmp/word; /include-files/body-driver lasts <&3 | while read l; do case $l in *started*) "
                   "kill -9 $(cat /tmp/body-pid);; esac; done; i=0; while [ $i -lt 100 ] && grep -qs '(ktstr-worker) [^Z]' "
                   "/proc/[0-9]*/stat; do usleep 50000; i=$((i+1)); done; grep -s '(ktstr-worker) [^Z]' /proc/[0-9]*/stat; echo gone")
        result = self.daemon.ctl("shell", "--timeout", "300s", "--topology", "1n2l4c1t", "-i", DRIVER, "--exec", command, timeout=300)
        self.assertEqual(result.out, "gone\n", result)


class SchedulerOps(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon()
        cls.enterClassContext(cls.daemon)

    def run_test(self, name):
        result = self.daemon.ctl("test", PROGRAM, "--filter", name, "--json", env={"KTSTR_SCHEDULER_BIN_SCX_KTSTR": str(kt.SCX_KTSTR)},
                                 timeout=300)
        return result, result.verdict()

    def test_it_goes_and_comes_while_the_workers_run(self):
        for name in ("restarts", "detaches_and_attaches", "is_replaced"):
            with self.subTest(name):
                result, verdict = self.run_test(name)
                self.assertEqual(verdict["verdict"], "pass", result)

    def test_one_that_does_not_come_back_has_failed(self):
        result, verdict = self.run_test("does_not_come_back")
        self.assertEqual(verdict["verdict"], "fail", result)
        self.assertIn("never attached", verdict["reason"])


if __name__ == "__main__":
    kt.main()
