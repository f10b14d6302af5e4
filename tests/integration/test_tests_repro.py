# SPDX-License-Identifier: LGPL-2.1-or-later
"""ktstrctl test: what fails for its scheduler's death is run once more, and what comes of that is told."""

import json
import re
import signal
import xml.etree.ElementTree as ElementTree

import ktstr_test as kt
from played_daemon import ended, verdict
from program_case import Tests

SCHEDULER = {"ident": "s", "name": "s", "kernel_builtin_enable": ["true"], "kernel_builtin_disable": ["true"]}


def sched(outcome, attached=True, **fields):
    return {"name": "s", "args": [], "attached": attached, "outcome": outcome, **fields}


def dies(message="weight 300 out of range", word="fail", reason=None, **fields):
    """A verdict on a scheduler that the kernel threw out."""
    return verdict(word, reason or f"the kernel threw s out: scx_bpf_error: {message}", seed=77,
                   scheduler=sched("ejected", exit_kind="error_bpf", exit_reason="scx_bpf_error", exit_message=message, ended_after_ms=1230), **fields)


def says(job, text):
    return {"continues": True, "parameters": {"job": job, "event": {"kind": "note", "elapsed_ms": 1500, "message": text}}}


def ends_well(**fields):
    return verdict(scheduler=sched("stopped"), **fields)


class Repro(Tests):
    def declaring(self, *tests, **declared):
        return self.program(*({"name": t, "scheduler": "s", **declared} for t in tests), schedulers=[SCHEDULER])

    def repeated(self, second, *args, **declared):
        """What is told when the first run of a test dies, and the second ends like this."""
        self.verdicts = {"ktstr/a": dies(), "ktstr/a auto-repro": second}
        self.daemon.calls.clear()
        return self.ctl(self.declaring("a", **declared), *args)

    def labels(self):
        return [parameters["label"] for parameters, _ in self.daemon.asked("Submit")]

    def test_the_same_job_is_run_once_more_and_told(self):
        result = self.repeated(dies("weight 7 out of range", result_dir="/r/2", trace=["a-1 [000] 1.5: x", "b"]), "--duration", "700ms")
        self.assertEqual((result.status, result.err), (1, ""), result)
        (first, _), (second, _) = self.daemon.asked("Submit")
        self.assertEqual(second, {**first, "label": "ktstr/a auto-repro", "seed": 77, "trace": True, "trace_functions": []})
        self.assertNotIn("trace", first)
        self.assertNotIn("seed", first)
        lines = result.out.splitlines()
        self.assertEqual(lines[0], "FAIL  ktstr/a  (1.2 s)  the kernel threw s out: scx_bpf_error: weight 300 out of range")
        self.assertIn("0 passed, 1 failed of 1 in", result.out)
        at = lines.index("      --- auto-repro ---")
        self.assertEqual(lines[at + 1:at + 5], [
            "      auto-repro: it died again the same way (the kernel threw s out: scx_bpf_error: weight 7 out of range) after 1.2 s",
            "      a-1 [000] 1.5: x", "      b", "      its logs: /r/2"])

    def test_the_functions_in_which_it_died_are_probed(self):
        first = dies()
        first["scheduler"]["dump"] = "s: root\nBacktrace:\n  scx_bpf_error_bstr+0x60/0xa0\n  do_enqueue_task+0x1/0x2\n  schedule+0x1/0x2\n\nCPU states\n"
        self.verdicts = {"ktstr/a": first, "ktstr/a auto-repro": ends_well(trace=["x"], trace_error="do_enqueue_task")}
        result = self.ctl(self.declaring("a"))
        self.assertEqual(self.daemon.submitted()["ktstr/a auto-repro"]["trace_functions"], ["do_enqueue_task"])
        self.assertIn("auto-repro: it ran to its end: not reproduced; not traced: do_enqueue_task\n", result.out)

    def test_of_one_that_ran_to_its_end_the_trace_is_not_shown(self):
        out = self.repeated(ends_well(trace=["a-1 [000] 1.5: x"], result_dir="/r/2")).out
        self.assertNotIn("a-1 [000]", out)
        self.assertIn("not reproduced\n      its logs: /r/2\n", out)
        *_, summary = self.repeated(ends_well(trace=["a-1 [000] 1.5: x"]), "--json").events()
        self.assertEqual(summary["failures"][0]["repro"]["trace"], ["a-1 [000] 1.5: x"])

    def test_each_end_of_the_second_run_is_told(self):
        for second, line in (
                (dies("weight is gone"), "it ended otherwise after 1.2 s: the kernel threw s out: scx_bpf_error: weight is gone"),
                (ends_well(), "it ran to its end: not reproduced"),
                (ends_well(trace_error="this kernel has no tracefs"), "it ran to its end: not reproduced; no trace: this kernel has no tracefs"),
                (verdict("fail", "s never attached", scheduler=sched("not_attached", attached=False)), "s never attached: says nothing"),
                (verdict("error", "no word in 60 s", error="io.ktstrd.Job.GuestBoot"), "the guest was not ready: no word in 60 s: says nothing"),
                (lambda job: iter([{"error": "io.ktstrd.Job.BadTopology", "parameters": {"message": "no"}}]), "no: says nothing"),
                (lambda job: iter([None]), "the daemon closed the connection: says nothing")):
            with self.subTest(line=line):
                result = self.repeated(second)
                # It is the first run that counts.
                self.assertEqual(result.status, 1, result)
                told = re.findall(r"^      auto-repro: (.*)", result.out, re.M)
                self.assertEqual(len(told), 1, result)
                self.assertTrue(told[0].endswith("says nothing") if "closed" in line else told[0] == line, result)

    def test_only_an_unexpected_death_is_run_once_more(self):
        for word, v, declared, args in (
                ("turned off", dies(), {"auto_repro": False}, ()), ("turned off here", dies(), {}, ("--no-auto-repro",)),
                ("expected", dies(), {"expect_err": True}, ()), ("a check missed", verdict("fail", "gap", scheduler=sched("stopped")), {}, ()),
                ("never attached", verdict("fail", "no", scheduler=sched("not_attached", attached=False)), {}, ()),
                ("the host explains it", dies(word="inconclusive"), {}, ()), ("cancelled", dies(word="cancelled"), {}, ())):
            with self.subTest(word):
                self.verdicts = {"ktstr/a": v}
                self.daemon.calls.clear()
                result = self.ctl(self.declaring("a", **declared), *args)
                self.assertEqual(self.labels(), ["ktstr/a"], result)
                self.assertNotIn("auto-repro", result.out)

    def test_of_many_deaths_of_a_test_the_first_is_enough_on_each_kernel(self):
        self.verdicts = {"ktstr/a": dies(), "ktstr/b": ends_well()}
        result = self.ctl(self.declaring("a", "b"), "--repeat", "3", "--jobs", "1")
        self.assertEqual([label for label in self.labels() if "auto-repro" in label], ["ktstr/a#1 auto-repro"])
        # It comes before what waits: the guest may be still warm, and the log is read from the top.
        self.assertEqual(self.labels()[1], "ktstr/a#1 auto-repro")
        self.assertEqual(result.out.count("--- auto-repro ---"), 1, result)
        self.daemon.calls.clear()
        self.verdicts = {f"ktstr/a/kernel_{k}": dies() for k in ("6_14_2", "6_15_9")}
        self.ctl(self.declaring("a"), "--kernel", "6.14..6.15", "--repeat", "2", "--jobs", "1")
        again = [parameters for parameters, _ in self.daemon.asked("Submit") if "auto-repro" in parameters["label"]]
        self.assertEqual([(p["label"], p["kernel"]) for p in again], [("ktstr/a/kernel_6_14_2#1 auto-repro", "6.14.2-key"),
                                                                      ("ktstr/a/kernel_6_15_9#1 auto-repro", "6.15.9-key")])

    def test_fail_fast_ends_it_before_it_begins(self):
        result = self.repeated(dies(), "--fail-fast")
        self.assertEqual((result.status, self.labels()), (1, ["ktstr/a"]), result)

    def test_a_daemon_that_is_full_is_asked_again(self):
        tries = []

        def full_at_first(job):
            tries.append(job)
            if len(tries) == 1:
                yield {"error": "io.ktstrd.Daemon.Busy", "parameters": {"message": "full"}}
            else:
                yield {"parameters": {"job": job, "event": {"seq": 1, "kind": "verdict", "elapsed_ms": 1, "verdict": dies()}}}
        result = self.repeated(full_at_first)
        self.assertEqual((result.status, len(tries)), (1, 2), result)
        self.assertIn("auto-repro: it died again the same way", result.out)

    def test_an_interrupt_ends_it_and_leaves_nothing(self):
        self.verdicts = {"ktstr/a": dies(), "ktstr/a auto-repro": self.hang}
        client = self.start(self.declaring("a"), "--junit", "x.xml")
        kt.wait_until(lambda: self.running and self.daemon.all_is_read(), "the second one to run, and the client to know it")
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=kt.PATIENCE_S)
        self.assertEqual((client.returncode, err), (130, "cancelling all…\n"), out)
        self.assertEqual([parameters["job"] for parameters, _ in self.daemon.asked("Cancel")], ["job2"])
        self.assertFalse(self.running)
        self.assertIn("0 passed, 1 failed of 1 in", out)
        self.assertIn("      auto-repro: cancelled: says nothing\n", out)
        self.assertEqual(len(ElementTree.parse(self.dir / "x.xml").findall(".//failure")), 1)

    def test_json(self):
        result = self.repeated(dies("weight 7 out of range", trace=["a", "b"]), "--json")
        *events, summary = result.events()
        (v,), (again,) = ([e for e in events if e["kind"] == kind] for kind in ("verdict", "repro"))
        self.assertEqual((v["label"], v["verdict"]["verdict"], again["label"], again["test"]), ("ktstr/a", "fail", "ktstr/a", "a"))
        self.assertEqual(again["repro"], {"outcome": "same", "reason": "the kernel threw s out: scx_bpf_error: weight 7 out of range", "after_ms": 1230,
                                          "trace": ["a", "b"]})
        self.assertEqual([f["repro"] for f in summary["failures"]], [again["repro"]])
        # What else is said of the second run cannot be taken for the first's.
        self.assertEqual({e["label"] for e in events if e["kind"] == "queued"}, {"ktstr/a", "ktstr/a auto-repro"})
        *_, summary = self.repeated(dies(), "--json", "--no-auto-repro").events()
        self.assertNotIn("repro", summary["failures"][0])

    def test_tap(self):
        result = self.repeated(ends_well(), "--tap")
        self.assertEqual(len(re.findall(r"^(?:not )?ok ", result.out, re.M)), 1, result)
        lines = result.out.splitlines()
        self.assertEqual(json.loads(lines[lines.index("  auto_repro:") + 1].strip()[2:]), "auto-repro: it ran to its end: not reproduced")

    def test_junit(self):
        self.repeated(ends_well(), "--junit", "x.xml")
        text = ElementTree.parse(self.dir / "x.xml").find(".//failure").text
        self.assertIn("--- auto-repro ---\nauto-repro: it ran to its end: not reproduced\n", text)

    def test_verbose_tells_the_two_apart(self):
        def talks(v):
            def talk(job):
                yield says(job, "a note")
                yield from ended(job, v)
            return talk
        self.verdicts = {"ktstr/a": talks(dies()), "ktstr/a auto-repro": talks(ends_well())}
        out = self.ctl(self.declaring("a"), "-v").out
        self.assertEqual(re.findall(r"(?m)^(ktstr/.*?) +\d.\d\ds  a note$", out), ["ktstr/a", "ktstr/a auto-repro"], out)


if __name__ == "__main__":
    kt.main()
