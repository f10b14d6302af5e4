# SPDX-License-Identifier: LGPL-2.1-or-later
"""ktstrctl test: how its tests run, and what is told of them."""

import json
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import xml.etree.ElementTree as ElementTree

import ktstr_test as kt
from played_daemon import ended, verdict
from program_case import Tests


class Runs(Tests):
    """How it goes, and what is told."""

    def test_each_has_a_line_and_all_have_a_summary(self):
        self.verdicts = {"ktstr/b": verdict("fail", "gap of 4500 ms\nmore", details=["one\ntwo"], result_dir="/r/7",
                                            checks=[{"name": "gap", "verdict": "fail", "text": "gap of 4500 ms"},
                                                    {"name": "spread", "verdict": "fail", "text": "spread=42%"},
                                                    {"name": "isolation", "verdict": "pass", "text": "fine"}])}
        program = self.program("a", "b", {"name": "c", "ignore": True})
        result = self.ctl(program)
        self.assertEqual((result.status, result.err), (1, ""), result)
        lines = result.out.splitlines()
        self.assertEqual(sorted(lines[:2]), ["FAIL  ktstr/b  (1.2 s)  gap of 4500 ms", "PASS  ktstr/a  (1.2 s)"])
        self.assertRegex(lines[3], r"^1 passed, 1 failed, 1 ignored \(--ignored runs them\) of 3 in \d+\.\d s$")
        self.assertEqual(lines[5:], ["FAIL  ktstr/b  (1.2 s)  gap of 4500 ms", "      spread: spread=42%", "      one", "      two",
                                     "      logs: /r/7", f"      again: ktstrctl test {program} --filter 'ktstr/b'"])

    def test_the_command_that_repeats_one_repeats_it(self):
        odd = self.dir / "it's odd"
        odd.mkdir()
        program = shutil.move(self.program("a", {"name": "b", "ignore": True}), odd / "my_tests")
        self.verdicts = {name: verdict("fail", "no", seed=77) for name in ("ktstr/b/kernel_6_15_9", "ktstr/b")}
        result = self.ctl(program, "--ignored", "--kernel", "6.14..6.15", "--duration", "2s", "--repeat", "2", "--filter", "*",
                          "--no-perf-mode", "--cpu-cap", "2")
        again = set(re.findall(r"again: (.*)", result.out))
        self.assertEqual(again, {f"ktstrctl test '{self.dir}/it'\\''s odd/my_tests' --filter 'ktstr/b' --kernel 6.15.9 --ignored "
                                 "--seed 77 --duration 2s --no-perf-mode --cpu-cap 2"})
        self.daemon.calls.clear()
        command = again.pop().replace("ktstrctl", str(kt.KTSTRCTL), 1)
        p = subprocess.run(["sh", "-c", command], env=self.env(), capture_output=True, text=True)
        self.assertEqual(p.returncode, 1, p)
        (parameters, _), = self.daemon.asked("Submit")
        self.assertEqual((parameters["label"], parameters["kernel"], parameters["duration_ms"], parameters["seed"]), ("ktstr/b", "6.15.9", 2000, 77))

    def test_what_the_environment_said_of_it_is_said_again(self):
        """Whoever runs it again may have another one."""
        self.verdicts = {"ktstr/a": verdict("fail", "no")}
        program, never = self.program("a"), {"KTSTR_NO_PERF_MODE": "1"}
        for options, env, words in (([], {}, ""), ([], never, " --no-perf-mode"), (["--cpu-cap", "2"], never, " --cpu-cap 2 --no-perf-mode"),
                                    (["--perf-mode"], never, " --perf-mode")):
            with self.subTest(options=options, env=env):
                self.assertIn(f"--filter 'ktstr/a'{words}\n", self.ctl(program, *options, **env).out)

    def test_the_daemon_that_was_named_is_named_again(self):
        self.verdicts = {"ktstr/a": verdict("fail", "no")}
        self.assertIn(f"--filter 'ktstr/a' --socket {self.daemon.socket}\n", self.ctl(self.program("a"), "--socket", self.daemon.socket).out)

    def test_a_seed_is_one_for_all(self):
        self.verdicts = {"ktstr/b": lambda job: iter([{"error": "io.ktstrd.Job.GuestStart", "parameters": {"message": "no"}}])}
        result = self.ctl(self.program("a", "b"), "--seed", 2**63 - 1)
        self.assertEqual({p["seed"] for p in self.daemon.submitted().values()}, {2**63 - 1})
        # Also of one that came to no verdict.
        self.assertIn(f"--filter 'ktstr/b' --seed {2**63 - 1}", result.out)
        self.daemon.calls.clear()
        for wrong in ("-1", "x", 2**63):
            self.refused(self.program("a"), f"--seed={wrong}", words=[f"--seed: '{wrong}' is no number from 0 to {2**63 - 1}"])
        self.ctl(self.program("a"))
        self.assertNotIn("seed", self.daemon.submitted()["ktstr/a"])

    def test_the_status_is_the_worst(self):
        program = self.program("a", "b")
        for word, error, status in (("pass", None, 0), ("skip", None, 0), ("inconclusive", None, 2), ("fail", None, 1), ("cancelled", None, 130),
                                    ("error", "io.ktstrd.Job.GuestBoot", 3), ("error", "io.ktstrd.Kernel.NoSuchKernel", 64)):
            with self.subTest(word=word, error=error):
                self.verdicts = {"ktstr/b": verdict(word, "why", **({"error": error} if error else {}))}
                self.assertEqual(self.ctl(program).status, status)

    def test_a_request_that_is_refused_is_an_error_of_its_cell(self):
        def refuse(job):
            yield {"error": "io.ktstrd.Job.BadTopology", "parameters": {"message": "topology 'x' is none"}}
        self.verdicts = {"ktstr/b": refuse}
        result = self.ctl(self.program("a", "b"))
        self.assertEqual(result.status, 64, result)
        self.assertIn("ERROR  ktstr/b  topology 'x' is none", result.out)
        self.assertIn("1 passed, 1 in error of 2", result.out)

    def test_repeats_go_round(self):
        result = self.ctl(self.program("a", "b", {"name": "c", "ignore": True}), "--repeat", "2", "--jobs", "1")
        self.assertEqual([line.split()[1] for line in result.out.splitlines()[:4]], ["ktstr/a#1", "ktstr/b#1", "ktstr/a#2", "ktstr/b#2"])
        self.assertIn("4 passed, 1 ignored", result.out)

    def test_no_more_run_at_a_time_than_were_asked_for(self):
        self.verdicts = {f"ktstr/t{i}": self.hang for i in range(5)}
        client = self.start(self.program(*(f"t{i}" for i in range(5))), "--jobs", "2")
        for n in (1, 2, 3, 4, 5):
            kt.wait_until(lambda n=n: len(self.running) == min(2, 6 - n), f"round {n}")
            self.assertLessEqual(len(self.running), 2)
            job = min(self.running)
            self.cancelled[job].set()
            kt.wait_until(lambda job=job: job not in self.running, "its end")
        self.assertEqual(client.wait(kt.PATIENCE_S), 130)
        client.communicate()

    def test_many_cells_need_few_descriptors(self):
        program = self.program("a")
        for most, jobs in ((64, 16), (64, 200), (1000, 200)):
            with self.subTest(most=most, jobs=jobs):
                limit = lambda most=most: resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
                p = subprocess.run([kt.KTSTRCTL, "test", program, "--repeat", "200", "--jobs", str(jobs)], env=self.env(), capture_output=True, text=True,
                                   preexec_fn=limit)
                self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
                self.assertIn("200 passed of 200", p.stdout)

    def test_fail_fast_ends_the_others(self):
        self.verdicts = {"ktstr/a": self.hang, "ktstr/b": verdict("fail", "no")}
        result = self.ctl(self.program("a", "b", "c", "d"), "--fail-fast", "--jobs", "2")
        self.assertEqual(result.status, 1, result)
        self.assertEqual(sorted(self.daemon.submitted()), ["ktstr/a", "ktstr/b"])
        self.assertRegex(result.out, r"0 passed, 1 failed, 1 cancelled, 2 not run of 4 in .*; stopped at the first failure \(--fail-fast\)")

    def test_what_is_not_run_after_a_failure_is_no_failure(self):
        self.verdicts = {"ktstr/a": verdict("fail", "no")}
        result = self.ctl(self.program("a", "b"), "--fail-fast", "--jobs", "1", "--tap")
        self.assertEqual(result.status, 1, result)
        self.assertIn("ok 2 - ktstr/b # SKIP not run after a failure\n", result.out)

    def test_a_program_named_twice_is_one(self):
        program = self.program("a")
        self.assertEqual(self.names(program, f"./{program.name}"), ["ktstr/a"])

    def test_an_interrupt_cancels_all(self):
        self.verdicts = {f"ktstr/{t}": self.hang for t in "ab"}
        client = self.start(self.program("a", "b", "c"), "--jobs", "2", "--junit", "x.xml")
        kt.wait_until(lambda: len(self.running) == 2 and self.daemon.all_is_read(), "two to run, and the client to know it")
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=kt.PATIENCE_S)
        self.assertEqual((client.returncode, err), (130, "cancelling all…\n"), out)
        self.assertIn("0 passed, 2 cancelled, 1 not run of 3", out)
        self.assertEqual(len(self.daemon.asked("Cancel")), 2)
        self.assertEqual(len(ElementTree.parse(self.dir / "x.xml").findall(".//testcase")), 3)

    # --- a daemon that is full ---

    def full_beyond(self, quota, until_refused=1):
        """A daemon that takes so many at a time, and ends none of them before it has refused so many."""
        lock, enough = threading.Lock(), threading.Event()
        self.active = self.refused_so_far = 0

        def submit(job):
            with lock:
                full = self.active >= quota
                self.active += not full
                self.refused_so_far += full
                if self.refused_so_far >= until_refused:
                    enough.set()
            if full:
                yield {"error": "io.ktstrd.Daemon.Busy", "parameters": {"message": f"{quota} jobs are queued already; try again later"}}
                return
            end = ended(job, verdict())
            yield next(end)
            enough.wait(kt.PATIENCE_S)
            with lock:
                self.active -= 1
            yield from end
        return submit

    def test_of_more_than_the_daemon_takes_all_run(self):
        self.verdicts = {"ktstr/a": self.full_beyond(64)}
        result = self.ctl(self.program("a"), "--repeat", "1000", "--jobs", "1000")
        self.assertEqual(result.status, 0, result)
        self.assertIn("1000 passed of 1000", result.out)
        self.assertEqual(result.err, "note: the daemon takes no more for now, the others follow: 64 jobs are queued already; try again later\n")
        self.assertGreater(self.refused_so_far, 0)

    def test_a_daemon_that_is_full_of_others_jobs_is_tried_again(self):
        submits = 0
        take = self.full_beyond(64, until_refused=0)

        def submit(job):
            nonlocal submits
            submits += 1
            if submits > 4:
                yield from take(job)
            else:
                yield {"error": "io.ktstrd.Daemon.Busy", "parameters": {"message": "64 jobs are queued already; try again later"}}
        self.verdicts = {"ktstr/a": submit, "ktstr/b": submit}
        result = self.ctl(self.program("a", "b"), "--jobs", "1")
        self.assertEqual((result.status, submits), (0, 6), result)

    def test_what_waits_for_a_full_daemon_can_be_interrupted(self):
        self.verdicts = {"ktstr/a": self.full_beyond(0, until_refused=3)}
        client = self.start(self.program("a"))
        kt.wait_until(lambda: self.refused_so_far >= 3, "some tries")
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=kt.PATIENCE_S)
        self.assertEqual((client.returncode, err.splitlines()[-1]), (130, "cancelling all…"), out)
        self.assertIn("0 passed, 1 not run of 1", out)

    def test_a_daemon_that_goes_away_is_told_of_once(self):
        def die(job):
            yield {"continues": True, "parameters": {"job": job, "event": {"kind": "queued", "elapsed_ms": 0, "position": 0, "wait_ms": 0}}}
            yield None
        self.verdicts = {f"ktstr/t{i}": die for i in range(6)}
        result = self.ctl(self.program(*(f"t{i}" for i in range(6))), "--jobs", "3", "--no-autostart")
        self.assertEqual((result.status, len(result.err.splitlines())), (69, 1), result)
        self.assertIn("the daemon hung up", result.err)
        self.assertIn("0 passed, 6 not run of 6", result.out)
        self.assertIn("the daemon went away", result.out)

    def test_what_is_wrong_for_all_is_told_once(self):
        program = self.program("a", "b")
        self.refused(program, "--priority", "urgent", words=["--priority: 'urgent'"])

        def no_kernel(**_):
            yield {"error": "io.ktstrd.Kernel.NoSuchKernel", "parameters": {"message": "no kernel '5.1'", "kernel": "5.1"}}
        self.daemon.answers["Resolve"] = no_kernel
        self.refused(program, "--kernel", "5.1", words=["5.1"])
        self.refused(program, "--list", "--kernel", "5.1", words=["5.1"])

        def no_kvm(**_):
            yield {"error": "io.ktstrd.Job.AcceleratorUnusable", "parameters": {"message": "kvm: no /dev/kvm", "field": "accel"}}
        self.daemon.answers["Room"] = no_kvm
        self.assertEqual(len(self.ctl(program, "--accel", "kvm").err.splitlines()), 1)
        self.assertEqual(self.daemon.asked("Submit"), [])

    def test_no_daemon(self):
        self.daemon.socket = f"{self.dir}/nobody"
        result = self.ctl(self.program("a"))
        self.assertEqual(result.status, 69, result)

    def test_presets_that_are_too_large_are_skipped_saying_so(self):
        program = self.program({"name": "t", "constraints": {"min_cpus": 12}})
        result = self.ctl(program, "--gauntlet")
        self.assertEqual(result.status, 0, result)
        self.assertRegex(result.out, r"SKIP  gauntlet/t/medium-8llc  .*64 CPUs.*--force")
        self.assertLess(len(self.daemon.submitted()), 6)
        self.daemon.calls.clear()
        two = self.program({"name": "t", "constraints": {"min_cpus": 12}}, {"name": "u", "constraints": {"min_cpus": 12}}, name="two")
        both = self.ctl(two, "--gauntlet")
        self.assertEqual(both.out.count("SKIP  "), result.out.count("SKIP  "), "of each preset once")
        self.assertRegex(both.out, r"SKIP  gauntlet/t/medium-8llc and 1 more  .*64 CPUs")
        self.assertIn(f"{2 * result.out.count('SKIP  ')} skipped of", both.out)
        self.daemon.calls.clear()
        self.assertEqual(self.ctl(program, "--gauntlet", "--force", "--filter", "*/large-4llc").status, 0)
        self.assertEqual(self.daemon.submitted()["gauntlet/t/large-4llc"]["memory_mib"], 4096)

    def test_where_nothing_was_tested_it_is_said(self):
        result = self.ctl(self.program({"name": "t", "ignore": True}))
        self.assertEqual(result.status, 0, result)
        self.assertIn("0 passed, 1 ignored (--ignored runs them) of 1", result.out)
        self.assertIn("nothing was tested: all are ignored", result.out)
        self.verdicts = {"ktstr/t": verdict("skip", "no NUMA here")}
        result = self.ctl(self.program("t"))
        self.assertEqual(result.status, 0, result)
        self.assertIn("SKIP  ktstr/t  (1.2 s)  no NUMA here", result.out)
        self.assertIn("nothing was tested: all that was to be run was skipped", result.out)

    def test_of_several_programs_each_line_says_which(self):
        result = self.ctl(self.program("a", name="x_tests"), self.program("a", name="y_tests"))
        self.assertEqual(sorted(result.out.splitlines()[:2]), ["PASS  ktstr/a (x_tests)  (1.2 s)", "PASS  ktstr/a (y_tests)  (1.2 s)"])

    def test_verbose_shows_what_happens(self):
        def talk(job):
            for event in ({"kind": "note", "elapsed_ms": 1500, "message": "a note"}, {"kind": "log", "elapsed_ms": 1, "stream": "kernel", "text": "x\ny\n"}):
                yield {"continues": True, "parameters": {"job": job, "event": event}}
            yield from ended(job, verdict())
        self.verdicts = {"ktstr/a": talk}
        program = self.program("a")
        self.assertEqual(self.ctl(program, "-v").out.splitlines()[:3],
                         ["ktstr/a    1.50s  a note", "ktstr/a            kernel | x", "ktstr/a            kernel | y"])
        self.assertNotIn("note", self.ctl(program).out)


class Reports(Tests):
    """JSON, TAP, JUnit."""

    AWKWARD = "a <b> & \"c\" 'd' ]]> \x1b[31m \x00\x08 \ud800".replace("\x00", "").replace("\ud800", "\ufffe") + " # TODO \\ end"

    def setUp(self):
        super().setUp()
        self.verdicts = {"ktstr/b": verdict("fail", self.AWKWARD, details=["x: y", "- z"], result_dir="/r/1", seed=77),
                         "ktstr/c": verdict("skip", "not # here"), "ktstr/d": verdict("error", "no guest", error="io.ktstrd.Job.GuestBoot"),
                         "ktstr/e": verdict("inconclusive", "the host was busy")}
        self.mixed = self.program("a", "b", "c", "d", "e", {"name": "f", "ignore": True})

    def test_json(self):
        result = self.ctl(self.mixed, "--json")
        *events, summary = result.events()
        self.assertEqual(result.err, "")
        verdicts = {e["label"]: e["verdict"]["verdict"] for e in events if e["kind"] == "verdict"}
        self.assertEqual(verdicts, {"ktstr/a": "pass", "ktstr/b": "fail", "ktstr/c": "skip", "ktstr/d": "error", "ktstr/e": "inconclusive",
                                    "ktstr/f": "skip"})
        self.assertTrue(all("label" in e for e in events))
        self.assertEqual([e["state"] for e in events if e["label"] == "ktstr/f"], ["ignored"])
        self.assertEqual({k: summary[k] for k in ("kind", "cells", "passed", "failed", "inconclusive", "errors", "skipped", "ignored", "status")},
                         {"kind": "summary", "cells": 6, "passed": 1, "failed": 1, "inconclusive": 1, "errors": 1, "skipped": 1, "ignored": 1,
                          "status": result.status})
        self.assertEqual(result.status, 3)
        self.assertEqual([f["label"] for f in summary["failures"]], ["ktstr/b", "ktstr/d", "ktstr/e"])
        self.assertEqual(summary["failures"][0]["reason"], self.AWKWARD)
        self.assertIn("--filter 'ktstr/b' --seed 77", summary["failures"][0]["again"])
        self.assertEqual([f.get("seed") for f in summary["failures"]], [77, None, None])

    def test_tap(self):
        result = self.ctl(self.mixed, "--tap")
        lines = result.out.splitlines()
        self.assertEqual(lines[:2], ["TAP version 14", "1..6"])
        points = [line for line in lines[2:] if not line.startswith("  ")]
        self.assertEqual([line.split()[0 if line.startswith("ok") else 1] for line in points], ["ok"] * 6)
        numbers = [int(re.match(r"(?:not )?ok (\d+) - ", line)[1]) for line in points]
        self.assertEqual(numbers, [1, 2, 3, 4, 5, 6])
        by_name = {re.search(r"ktstr/\w", line)[0]: line for line in points}
        self.assertTrue(by_name["ktstr/a"].startswith("ok "))
        for name in "bde":
            self.assertTrue(by_name[f"ktstr/{name}"].startswith("not ok "), name)
        self.assertRegex(by_name["ktstr/c"], r"^ok \d - ktstr/c # SKIP not \\# here$")
        self.assertRegex(by_name["ktstr/f"], r"^ok 1 - ktstr/f # SKIP it is declared \.ignore$")
        at = lines.index(by_name["ktstr/b"])
        block = lines[at + 1:lines.index("  ...", at)]
        self.assertEqual(block[0], "  ---")
        fields = dict(line.strip().split(": ", 1) for line in block[1:] if re.match(r"  \w+: ", line))
        self.assertEqual(json.loads(fields["reason"]), self.AWKWARD)
        self.assertEqual(fields["seed"], "77")
        self.assertEqual([json.loads(line.strip()[2:]) for line in block if line.startswith("    - ")], ["x: y", "- z"])

    def test_meson_reads_the_tap(self):
        tests = self.dir / "m"
        tests.mkdir()
        (tests / "meson.build").write_text(f"""project('m')
test('good', find_program('{kt.KTSTRCTL}'), args : ['test', '{self.program("a", "c", name="good")}', '--repeat', '2', '--tap'], protocol : 'tap')
test('mixed', find_program('{kt.KTSTRCTL}'), args : ['test', '{self.mixed}', '--tap'], protocol : 'tap')
""")
        env = self.env()
        subprocess.run(["meson", "setup", tests / "b", tests], env=env, check=True, capture_output=True)
        p = subprocess.run(["meson", "test", "-C", tests / "b"], env=env, capture_output=True, text=True)
        self.assertRegex(p.stdout, r"good +OK", p.stdout)
        self.assertRegex(p.stdout, r"mixed +(FAIL|ERROR)", p.stdout)
        self.assertNotIn("UNKNOWN", p.stdout)

    def test_junit(self):
        result = self.ctl(self.mixed, "--junit", "out.xml")
        self.assertEqual(result.status, 3)
        self.assertIn("1 passed, 1 failed", result.out)
        root = ElementTree.parse(self.dir / "out.xml").getroot()
        suite, = root.findall("testsuite")
        self.assertEqual({k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")},
                         {"tests": "6", "failures": "2", "errors": "1", "skipped": "2"})
        cases = {c.get("name"): c for c in suite}
        self.assertEqual((cases["ktstr/a"].get("classname"), cases["ktstr/a"].get("time"), len(cases["ktstr/a"])), ("my_tests", "1.234", 0))
        self.assertEqual([(p.get("name"), p.get("value")) for p in root.iter("property")], [("seed", "77")])
        self.assertIsNotNone(cases["ktstr/b"].find("properties/property"))
        failure = cases["ktstr/b"].find("failure")
        self.assertEqual(failure.get("message"), re.sub("[\x1b\x08\ufffe]", "\ufffd", self.AWKWARD))
        self.assertIn("--filter 'ktstr/b'", failure.text)
        self.assertEqual(cases["ktstr/d"].find("error").get("message"), "no guest")
        self.assertEqual(cases["ktstr/f"].find("skipped").get("message"), "it is declared .ignore")

    def test_junit_is_known_to_be_writable_before_anything_runs(self):
        self.refused(self.mixed, "--junit", "nowhere/out.xml", words=["nowhere/out.xml", "No such file"])
        self.refused(self.mixed, "--junit", "/dev/null", words=["/dev/null", "no file that could be replaced"])


class OnHost(Tests):
    """host_only tests run here, with ktstrctl in the agent's place; no daemon is asked."""

    def run_body(self, body, *args, **declared):
        self.daemon.socket = f"{self.dir}/nobody"
        return self.ctl(self.program({"name": "h", "host_only": True, **declared}, body=body), "--json", *args)

    def verdict_of(self, body, *args, **declared):
        result = self.run_body(body, *args, **declared)
        return [e["verdict"] for e in result.events() if e["kind"] == "verdict"][0], result

    def body(self, *lines, then="exit 0", before=""):
        """One that says these lines, and does this before and after."""
        said = pathlib.Path(tempfile.mkstemp(dir=self.dir)[1])
        said.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return f'{before} eval "exec 9>&$KTSTR_BODY_FD"; cat {said} >&9; {then}'

    @staticmethod
    def end(outcome="pass", *messages):
        return {"result": {"outcome": outcome, "messages": [{"outcome": o, "text": t} for o, t in messages], "metrics": []}}

    def test_what_it_says_is_its_verdict(self):
        for outcome, messages, word, reason, status in (
                ("pass", [], "pass", "passed on the host", 0), ("fail", [("fail", "lost 3")], "fail", "lost 3", 1),
                ("skip", [("skip", "no NUMA")], "skip", "no NUMA", 0), ("pass", [("inconclusive", "busy"), ("fail", "x"), ("fail", "y")], "fail", "x", 1),
                ("error", [("error", "cannot")], "error", "cannot", 3)):
            with self.subTest(outcome=outcome, messages=messages):
                v, result = self.verdict_of(self.body(self.end(outcome, *messages)))
                self.assertEqual((v["verdict"], v["reason"], result.status), (word, reason, status), result)

    def test_it_is_told_what_the_agent_tells(self):
        v, result = self.verdict_of(self.body(self.end(), before=f'eval "exec 9<&$KTSTR_BODY_FD"; read line <&9; echo "$line" >{self.dir}/told;'),
                                    "--duration", "700ms", "--seed", "77", workers_per_cgroup=3)
        self.assertEqual(v["verdict"], "pass", result)
        told = json.loads((self.dir / "told").read_text())
        self.assertEqual({k: told[k] for k in ("format", "test", "duration_ms", "workers", "seed", "emulated")},
                         {"format": 1, "test": "h", "duration_ms": 700, "workers": 3, "seed": 77, "emulated": False})
        self.assertEqual(v["seed"], 77)
        self.assertNotIn("sched", told)

    def test_events_and_output_stream(self):
        _, result = self.verdict_of(self.body({"event": "note", "text": "hi"}, {"event": "step", "state": "begin", "step": "s"}, self.end(),
                                              before="echo out; echo err >&2;"))
        events = result.events()
        self.assertIn(("note", "hi"), [(e["kind"], e.get("message")) for e in events])
        self.assertIn(("step", "s"), [(e["kind"], e.get("step")) for e in events])
        logs = [(e["stream"], e["text"]) for e in events if e["kind"] == "log"]
        self.assertEqual(sorted(logs), [("stderr", "err\n"), ("stdout", "out\n")])

    def test_a_body_that_fails_is_the_programs_fault(self):
        for body, words in ((self.body(then="exit 4"), ["exited with status 4", "without a result"]),
                            ("kill -SEGV $$", ["signal 11", "without a result"]), (self.body(self.end(), then="exit 4"), ["status 4", "after a result"]),
                            (self.body("nonsense"), ["no JSON"]), (self.body({"what": 1}), ["what no body says"]),
                            (self.body({"event": "note", "text": {}}), ["an event that is none"]), (self.body({"result": {}}), ["the report is unusable"])):
            with self.subTest(words=words):
                v, result = self.verdict_of(body)
                self.assertEqual((v["verdict"], v["error"], result.status), ("error", "io.ktstrd.Job.TestProgram", 3), result)
                for word in words:
                    self.assertIn(word, v["reason"])

    def test_one_that_does_not_end_is_ended_with_all_that_it_started(self):
        (self.dir / "pid").touch()
        # On a busy host it may have to be given more time to begin at all.
        for timeout_s in (1, 4, 16):
            v, result = self.verdict_of(f"sleep 600 & echo $! >{self.dir}/pid; wait", "--timeout", f"{timeout_s}s")
            self.assertEqual((v["verdict"], v["error"]), ("error", "io.ktstrd.Job.TestProgram"), result)
            self.assertIn(f"did not end within {timeout_s}000 ms", v["reason"])
            if (self.dir / "pid").read_text():
                break
        pid = int((self.dir / "pid").read_text())
        kt.wait_until(lambda: not kt.alive(pid), "its child to be gone")

    def test_what_its_workers_measured_is_checked(self):
        worker = {"tid": 7, "work": "CpuSpin", "work_units": 9, "iterations": 9, "cpu_ns": 10**9, "wall_ns": 10**9, "off_cpu_ns": 0, "migrations": 0,
                  "cpus_used": "0", "max_gap_ns": 4500 * 10**6, "max_gap_cpu": 0, "max_gap_at_ns": 10**6, "run_delay_ns": 0, "run_count": 1,
                  "started_ns": 10**9, "stopped_ns": 2 * 10**9, "paused_ns": 0}
        for checks, word, status in (({"max_gap_ms": 4500}, "pass", 0), ({"max_gap_ms": 4400}, "fail", 1), ({"max_gap_ms": -1}, "pass", 0)):
            with self.subTest(checks=checks):
                cgroup = {"name": "cg_0", "scenario": 0, "started_ns": 10**9, "stopped_ns": 2 * 10**9, "isolated": False, "workers": [worker]}
                end = self.end()
                end["result"]["workload"] = {"started_ns": 10**9, "stopped_ns": 2 * 10**9, "cpus": "0", "scenarios": [{"checks": checks}], "cgroups": [cgroup]}
                v, result = self.verdict_of(self.body(end))
                self.assertEqual((v["verdict"], result.status), (word, status), result)
                if word == "fail":
                    self.assertIn("stuck 4500ms", v["reason"])
                    self.assertEqual([c["verdict"] for c in v["checks"] if c["name"] == "gap"], ["fail"])

    def test_an_interrupt_ends_it(self):
        self.daemon.socket = f"{self.dir}/nobody"
        client = self.start(self.program({"name": "h", "host_only": True}, body=f"echo $$ >{self.dir}/pid; sleep 600"))
        kt.wait_until(lambda: (self.dir / "pid").exists() and (self.dir / "pid").read_text().strip(), "it to run")
        pid = kt.Process((self.dir / "pid").read_text())
        client.send_signal(signal.SIGINT)
        out, _ = client.communicate(timeout=kt.PATIENCE_S)
        self.assertEqual(client.returncode, 130, out)
        kt.wait_until(lambda: not kt.alive(pid), "the body to be gone")

    def test_it_is_asked_for_no_scheduler(self):
        v, result = self.verdict_of(self.body({"ask": "sched_restart"}, self.end(),
                                              then=f'read first <&9; read answer <&9; echo "$answer" >{self.dir}/answer; exit 0'))
        self.assertEqual(v["verdict"], "pass", result)
        self.assertEqual(json.loads((self.dir / "answer").read_text())["answer"], "failed")


if __name__ == "__main__":
    kt.main()
