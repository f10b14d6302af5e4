# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests as jobs: what Submit takes for one, what of it the guest gets, and what becomes of what the guest reports."""

import json
import pathlib
import unittest

import kernel_files
import ktstr_test as kt

JOB = "io.ktstrd.Job."
INVALID = "org.varlink.service.InvalidParameter"
CRASH = "ktstr: host-triggered crash"


def worker(tid, **changed):
    return {"tid": tid, "work": "CpuSpin", "work_units": 1000, "iterations": 1000, "cpu_ns": 5 * 10**8, "wall_ns": 10**9, "off_cpu_ns": 5 * 10**8,
            "migrations": 0, "cpus_used": "0", "max_gap_ns": 10**7, "max_gap_cpu": 0, "max_gap_at_ns": 5 * 10**8, "run_delay_ns": 0, "run_count": 1,
            "started_ns": 10**9, "stopped_ns": 2 * 10**9, "paused_ns": 0, **changed}


def body(outcome="pass", messages=(), metrics=(), checks=None, **changed):
    """A test's result with one scenario and one cgroup, of which `changed` is one worker's."""
    return {"outcome": outcome, "messages": list(messages), "metrics": list(metrics),
            "workload": {"started_ns": 10**9, "stopped_ns": 2 * 10**9, "cpus": "0-1", "scenarios": [{"checks": {"not_starved": True, "max_gap_ms": 3000, **(checks or {})}}],
                         "cgroups": [{"name": "cg_0", "scenario": 0, "started_ns": 10**9, "stopped_ns": 2 * 10**9,
                                      "wakes": {"count": 500, "p50_ns": 1000, "p99_ns": 70000, "max_ns": 90000, "cv": 1.5},
                                      "workers": [worker(100), worker(101, **changed)]}]}}


def result(outcome="done", of_body=None, sched=None, **more):
    return {"t_ns": 1, "outcome": outcome, **({"body": of_body} if of_body else {}), **({"sched": sched} if sched else {}), **more}


SOUND = {"attached": True, "ops": "fake_ops", "attach_ms": 1, "exit_code": 0, "stop_signal": 2, "state_after": "disabled"}
EJECTED = {"attached": True, "ops": "fake_ops", "attach_ms": 1, "exit_code": 1, "state_after": "disabled", "disabled_reason": "scx_bpf_error",
           "disabled_message": CRASH}
STALLED = {**EJECTED, "gone_ns": 2 * 10**9, "disabled_reason": "runnable task stall", "disabled_message": "ktstr-work[9] failed to run for 10.010s",
           "forced_timeout_ms": 10000}


class Judging(unittest.TestCase):
    def setUp(self):
        self.daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", fake="ok")
        self.result = self.daemon.dir / "result"
        self.daemon.env["FAKE_QEMU_RESULT"] = str(self.result)
        self.enterContext(self.daemon)
        image = self.daemon.dir / "vmlinux"
        image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
        imported = self.daemon.ctl("kernel", "import", image)
        self.assertEqual(imported.status, 0, imported)

    def submit(self, fds=(), **parameters):
        """The verdict event of a job."""
        with self.daemon.connect() as wire:
            wire.send(JOB + "Submit", {"duration_ms": 1000, **parameters}, fds)
            reply = wire.receive()
        self.assertNotIn("error", reply, reply)
        return reply["parameters"]["event"]["verdict"]

    def judged(self, reported, **parameters):
        self.result.write_text(json.dumps(reported))
        return self.submit(**parameters)

    def refused(self, field, words, name=INVALID, **parameters):
        reply = self.daemon.call(JOB + "Submit", **parameters)
        self.assertEqual(reply.get("error"), name, reply)
        self.assertEqual(reply["parameters"].get("field", reply["parameters"].get("parameter")), field, reply)
        if name != INVALID:
            self.assertIn(words, reply["parameters"]["message"])

    def handed(self):
        """The job that the guest got last, and the files."""
        lines = self.daemon.handed.read_text().splitlines()
        jobs = [json.loads(line.removeprefix("job ")) for line in lines if line.startswith("job ")]
        return jobs[-1]["run"], {line.split()[1] for line in lines if line.startswith("file ")}

    # --- what goes in ---

    def test_a_test_goes_over_with_all_that_is_its_own(self):
        config = self.daemon.dir / "config.json"
        config.write_text("{}")
        verdict = self.submit(
            scheduler={"name": "mine", "path": "/bin/ls", "args": ["--verbose"]}, test={"name": "split", "program": "my_tests", "path": "/bin/cat"},
            label="split/kernel_6_14", files=[{"guest_path": "/include-files/config.json", "path": str(config)}], workers=3,
            sysctls=[{"key": "kernel.sched_schedstats", "value": "1"}], cgroup_parent="/p/q", checks={"max_gap_ms": 1500, "isolation": False})
        self.assertEqual(verdict["verdict"], "pass", verdict)
        run, files = self.handed()
        self.assertEqual(run["test"], {"name": "split", "program": "/ktstr/bin/cat"})
        self.assertNotIn("scenario", run)
        self.assertEqual((run["sched"]["name"], run["sched"]["argv"]), ("mine", ["/ktstr/bin/ls", "--verbose"]))
        self.assertEqual(run["sysctls"], [{"key": "kernel.sched_schedstats", "value": "1"}])
        self.assertEqual((run["cgroup_parent"], run["checks"]), ("/p/q", {"isolation": False, "max_gap_ms": 1500.0}))
        self.assertEqual((run["duration_ms"], run["workers"], run["emulated"]), (1000, 3, True))
        # Half of the 120 s that the timeout has beside the workload.
        self.assertEqual(run["timeout_ms"], 61000)
        self.assertTrue(0 <= run["seed"] < 1 << 32)
        self.assertEqual(verdict["seed"], run["seed"])
        # libc, which both need, has come once.
        self.assertLessEqual({"/ktstr/bin/ls", "/ktstr/bin/cat", "/ktstr/lib/libc.so.6", "/include-files/config.json"}, files)
        self.assertEqual(self.daemon.jobs()[0]["label"], "split/kernel_6_14")

    def test_a_seed_may_be_given(self):
        for seed in (0, 2**63 - 1):
            self.assertEqual(self.submit(seed=seed)["seed"], seed)
            self.assertEqual(self.handed()[0]["seed"], seed)
        self.refused("seed", "from 0", seed=-1)

    def test_a_program_may_come_by_descriptor(self):
        with open("/bin/cat", "rb") as program, open("/bin/ls", "rb") as library:
            verdict = self.submit((program.fileno(), library.fileno()),
                                  test={"name": "split", "program": "my_tests", "program_fd": 0,
                                        "libraries": [{"guest_path": "/ktstr/lib/libmine.so", "file_fd": 1}]})
        self.assertEqual(verdict["verdict"], "pass", verdict)
        run, files = self.handed()
        self.assertEqual(run["test"]["program"], "/ktstr/bin/my_tests")
        self.assertLessEqual({"/ktstr/bin/my_tests", "/ktstr/lib/libmine.so"}, files)

    def test_a_file_that_comes_twice_has_to_be_the_same(self):
        libc = next(pathlib.Path("/usr/lib").rglob("libc.so.6"))
        same = {"guest_path": "/ktstr/lib/libc.so.6", "path": str(libc)}
        self.assertEqual(self.submit(scheduler={"name": "ls", "path": "/bin/ls"}, files=[same])["verdict"], "pass")
        verdict = self.submit(scheduler={"name": "ls", "path": "/bin/ls"}, files=[dict(same, path="/bin/cat")])
        self.assertEqual((verdict["verdict"], verdict["error"]), ("error", JOB + "BadFile"))
        self.assertIn("two that differ are to be /ktstr/lib/libc.so.6 in the guest", verdict["reason"])

    def test_a_scheduler_of_the_kernels_has_commands(self):
        verdict = self.submit(scheduler={"name": "lavd", "enable": ["echo 1 > /sys/x"], "disable": []})
        self.assertEqual(verdict["verdict"], "pass", verdict)
        sched = self.handed()[0]["sched"]
        self.assertEqual((sched["enable"], sched["disable"]), (["echo 1 > /sys/x"], []))
        self.assertNotIn("argv", sched)

    def test_the_watchdogs_timeout_is_the_jobs(self):
        """And how long the guest waits for the watchdog's word goes with it: half as long again, since it is looked twice in a timeout. An
        emulated guest has at least the time that all else in it may take."""
        for watchdog, handed, waits_ms in ((None, None, 55000), ({"timeout_ms": 2000}, {"timeout_ms": 2000, "at_most": False}, 40000),
                                           ({"timeout_ms": 5000, "at_most": True}, {"timeout_ms": 5000, "at_most": True}, 40000),
                                           ({"at_most": True}, {"timeout_ms": 10000, "at_most": True}, 40000),
                                           ({}, {"timeout_ms": 10000, "at_most": True}, 40000),
                                           ({"timeout_ms": 24000}, {"timeout_ms": 24000, "at_most": False}, 46000),
                                           ({"timeout_ms": 30000}, {"timeout_ms": 30000, "at_most": False}, 55000)):
            with self.subTest(watchdog=watchdog):
                self.submit(scheduler={"name": "ls", "path": "/bin/ls"}, accel="tcg", **({"watchdog": watchdog} if watchdog is not None else {}))
                run = self.handed()[0]
                self.assertEqual((run["sched"].get("watchdog"), run["watchdog_ms"]), (handed, waits_ms))

    def test_kargs_are_the_kernels(self):
        self.daemon.play("wait_for_cancel")
        with self.daemon.connect() as wire:
            wire.send(JOB + "Submit", {"kargs": ["threadirqs", "isolcpus=1"]}, more=True)
            while wire.receive()["parameters"]["event"].get("step") != "workload":
                pass
            argv = pathlib.Path(f"/proc/{self.daemon.children()[0]}/cmdline").read_text().split("\0")
        self.assertRegex(argv[argv.index("-append") + 1], r"console=ttyS0 .* threadirqs isolcpus=1$")

    def test_each_scenario_of_the_list_is_taken(self):
        source = (kt.SOURCE / "lib/include/scenarios.h").read_text()
        names = [line.split('"')[1] for line in source.splitlines() if line.startswith("X(")]
        self.assertGreater(len(names), 50)
        for name in names[:2] + names[-1:]:
            self.assertEqual(self.submit(scenario=name)["verdict"], "pass")
            self.assertEqual(self.handed()[0]["scenario"], name)

    def test_what_is_refused_names_its_field(self):
        test = {"name": "t", "program": "p", "path": "/bin/ls"}
        sched = {"name": "ls", "path": "/bin/ls"}
        self.refused("scenario", "no scenario 'stedy', did you mean 'steady'?", JOB + "UnknownScenario", scenario="stedy")
        self.refused("scenario", "no scenario 'xyzzy'; `ktstrctl scenarios` lists them", JOB + "UnknownScenario", scenario="xyzzy")
        self.refused("test.path", "path 'bin/ls' is not absolute", JOB + "BadFile", test=dict(test, path="bin/ls"))
        for field, parameters in (
                ("scenario", {"scenario": "steady", "test": test}),
                ("test.name", {"test": dict(test, name="a/b")}),
                ("test.name", {"test": dict(test, name="")}),
                ("test.program", {"test": dict(test, program="a/b")}),
                ("test", {"test": {"name": "t", "program": "p"}}),
                ("test.libraries", {"test": dict(test, libraries=[])}),
                ("scheduler", {"scheduler": {"name": "x"}}),
                ("scheduler", {"scheduler": {"name": "x", "enable": ["true"]}}),
                ("scheduler", {"scheduler": {"name": "x", "enable": [], "disable": []}}),
                ("scheduler", {"scheduler": dict(sched, enable=["true"], disable=[])}),
                ("scheduler", {"scheduler": {"name": "x", "enable": ["true"], "disable": [], "args": ["-v"]}}),
                ("label", {"label": "two\nlines"}),
                ("label", {"label": "x" * 513}),
                ("kargs", {"kargs": ["console=ttyS1"]}),
                ("kargs", {"kargs": ["two words"]}),
                ("kargs", {"kargs": [f"x{i}=" + "y" * 100 for i in range(10)]}),
                ("sysctls", {"sysctls": [{"key": "../etc/passwd", "value": "1"}]}),
                ("sysctls", {"sysctls": [{"key": "kernel.", "value": "1"}]}),
                ("sysctls", {"sysctls": [{"key": "kernel.panic", "value": "1\n2"}]}),
                ("sysctls", {"sysctls": [{"key": "kernel.panic", "value": "1"}] * 257}),
                ("cgroup_parent", {"cgroup_parent": "p"}),
                ("cgroup_parent", {"cgroup_parent": "/"}),
                ("cgroup_parent", {"cgroup_parent": "/p/../q"}),
                ("checks", {"checks": {"max_gap_ms": -2}}),
                ("checks", {"checks": {"max_spread_pct": 101}}),
                ("expect", {"expect": {"error": True}}),
                ("expect", {"scheduler": sched, "expect": {"error": False, "contains": "x"}}),
                ("expect", {"scheduler": sched, "expect": {"error": True, "contains": ""}}),
                ("expect", {"scheduler": sched, "expect": {"error": True, "matches": ".*"}}),
                ("expect", {"scheduler": sched, "expect": {"error": True, "matches": "a("}}),
                ("watchdog", {"watchdog": {"timeout_ms": 5000}}),
                ("watchdog", {"watchdog": {"at_most": True}}),
                ("watchdog", {"scheduler": sched, "watchdog": {"at_most": False}}),
                ("watchdog", {"scheduler": sched, "watchdog": {"timeout_ms": 0}}),
                ("watchdog", {"scheduler": sched, "watchdog": {"timeout_ms": 30001}}),
                ("cleanup_budget_ms", {"cleanup_budget_ms": 0})):
            with self.subTest(field=field, parameters=str(parameters)[:80]):
                self.refused(field, "", **parameters)
        self.assertEqual(self.daemon.jobs(), [])

    # --- what comes of it ---

    def test_what_a_test_says_is_in_the_verdict(self):
        said = [{"outcome": "pass", "text": "so far so good"}, {"outcome": "fail", "text": "lost 3 wake-ups"}]
        metrics = [{"name": "rps", "value": 12.5, "unit": "/s", "better": "higher"}, {"name": "n", "value": 7, "unit": ""}]
        verdict = self.judged(result(of_body=body("fail", said, metrics, role="messenger")), test={"name": "t", "program": "p", "path": "/bin/ls"})
        self.assertEqual((verdict["verdict"], verdict["reason"]), ("fail", "lost 3 wake-ups"))
        self.assertEqual(verdict["messages"], said)
        self.assertEqual(verdict["metrics"], [metrics[0], dict(metrics[1], value=7.0)])
        group = verdict["cgroups"][0]
        self.assertEqual((group["wakes"], group["wake_p50_ns"], group["wake_p99_ns"]), (500, 1000, 70000))
        self.assertEqual([(w["work"], w.get("role")) for w in verdict["workers"]], [("CpuSpin", None), ("CpuSpin", "messenger")])

    def test_the_worst_of_what_was_said_and_found_counts(self):
        starved = {"work_units": 0}
        for outcome, text, changed, expected, error in (
                ("skip", "no second node", {}, "skip", None), ("skip", "no second node", starved, "fail", None),
                ("inconclusive", "too short", {}, "inconclusive", None), ("error", "there is no 'a'", starved, "error", JOB + "TestProgram")):
            with self.subTest(outcome=outcome, changed=changed):
                verdict = self.judged(result(of_body=body(outcome, [{"outcome": outcome, "text": text}], **changed)),
                                      test={"name": "t", "program": "p", "path": "/bin/ls"})
                self.assertEqual((verdict["verdict"], verdict.get("error")), (expected, error), verdict)
                self.assertEqual(verdict["reason"], text if expected == outcome else "tid 101 starved (0 work units)")

    def test_the_bodys_thresholds_are_the_verdicts(self):
        verdict = self.judged(result(of_body=body(checks={"min_iteration_rate": 1500})))
        self.assertEqual((verdict["verdict"], verdict["reason"]), ("fail", "worker 100 iteration rate 1000.0/s below floor 1500.0/s"))
        check = next(c for c in verdict["checks"] if c["name"] == "iteration_rate")
        self.assertEqual((check["value"], check["threshold"], check["unit"]), (1000.0, 1500.0, "/s"))
        verdict = self.judged(result(of_body=body(max_gap_ns=4500 * 10**6, max_gap_cpu=2, max_gap_at_ns=3200 * 10**6)))
        self.assertEqual(verdict["reason"], "tid 101 stuck 4500ms on cpu2 at +3200ms (threshold 3000ms)")

    def test_a_test_that_runs_nothing_passes(self):
        empty = {"outcome": "pass", "messages": [], "metrics": []}
        verdict = self.judged(result(of_body=empty), test={"name": "t", "program": "p", "path": "/bin/ls"})
        self.assertEqual((verdict["verdict"], verdict["reason"]), ("pass", "the test passed under EEVDF, no worker ran"))
        verdict = self.judged(result(of_body=empty))
        self.assertEqual(verdict["verdict"], "error")

    def test_a_body_that_fails_is_the_programs_fault(self):
        failed = result("body_failed", sched=SOUND, error="it was killed by signal 11 (Segmentation fault)")
        verdict = self.judged(failed, scheduler={"name": "ls", "path": "/bin/ls"}, test={"name": "t", "program": "p", "path": "/bin/cat"})
        self.assertEqual((verdict["verdict"], verdict["error"]), ("error", JOB + "TestProgram"))
        self.assertEqual(verdict["reason"], "test 't' failed: it was killed by signal 11 (Segmentation fault)")
        # Unless the scheduler came to a bad end too.
        stuck = dict(failed, sched=dict(SOUND, state_after="enabled"))
        verdict = self.judged(stuck, scheduler={"name": "ls", "path": "/bin/ls"}, test={"name": "t", "program": "p", "path": "/bin/cat"})
        self.assertEqual(verdict["verdict"], "fail")

    def test_what_cannot_be_had_is_its_declarations_fault(self):
        test = {"name": "t", "program": "p", "path": "/bin/cat"}
        for outcome, of_job, of_test in (("declaration_failed", "org.varlink.service.InvalidParameter", JOB + "TestProgram"),
                                         ("out_of_memory", JOB + "GuestDied", JOB + "TestProgram"),
                                         ("setup_failed", JOB + "GuestDied", JOB + "GuestDied")):
            for parameters, error in (({}, of_job), ({"test": test}, of_test)):
                with self.subTest(outcome=outcome, error=error):
                    verdict = self.judged(result(outcome, error="it is so", sched=dict(SOUND, state_after="enabled")),
                                          scheduler={"name": "ls", "path": "/bin/ls"}, **parameters)
                    self.assertEqual((verdict["verdict"], verdict["error"]), ("error", error))
                    self.assertEqual(verdict["reason"], "it is so" if outcome != "setup_failed" else
                                     "the agent in the guest could not do its part: it is so")

    def test_a_report_that_breaks_the_contract_is_an_error(self):
        for broken in ({"outcome": "odd"}, body(checks={"grace": 1}), body(messages=[{"outcome": "fail", "text": "x"}] * 257)):
            verdict = self.judged(result(of_body=broken))
            self.assertEqual((verdict["verdict"], verdict["error"]), ("error", JOB + "GuestProtocol"), verdict)

    def test_workers_without_end_are_counted_and_not_listed(self):
        many = body()
        many["workload"]["cgroups"][0]["workers"] = [{"tid": i, "work_units": 1, "cpus_used": "0-299"} for i in range(250)]
        verdict = self.judged(result(of_body=many))
        self.assertEqual((verdict["verdict"], verdict["cgroups"][0]["workers"]), ("pass", 250))
        self.assertLess(len(verdict["workers"]), 250)
        self.assertIn(f"of 250 workers, all of which were checked, {len(verdict['workers'])} are listed", verdict["details"])

    def test_the_guest_has_its_budget(self):
        self.daemon.play("slow_end")
        self.assertEqual(self.submit(cleanup_budget_ms=600000)["verdict"], "pass")
        verdict = self.submit(cleanup_budget_ms=100)
        self.assertEqual(verdict["verdict"], "fail")
        self.assertRegex(verdict["reason"], r"^vm cleanup overran budget: measured [0-9]+\.[0-9]{3}s, budget 0\.100s, from the workload's end")
        verdict = self.judged(result(of_body=body(work_units=0)), cleanup_budget_ms=100)
        self.assertEqual(verdict["reason"], "tid 101 starved (0 work units)")
        self.assertTrue(any("vm cleanup overran budget" in d for d in verdict["details"]), verdict)

    # --- the error that is expected (case 28 of the reference) ---

    def expecting(self, reported, log="", **expect):
        (self.daemon.dir / "result.log").write_text(log)
        return self.judged(reported, scheduler={"name": "ls", "path": "/bin/ls"}, expect={"error": True, **expect})

    def test_the_expected_error_is_a_pass(self):
        crashed = result("sched_ejected", sched=EJECTED)
        verdict = self.expecting(crashed, contains=CRASH)
        self.assertEqual((verdict["verdict"], verdict["scheduler"]["outcome"]), ("pass", "ejected"), verdict)
        self.assertEqual(verdict["reason"], f"ls ended in the expected error: the kernel threw ls out: scx_bpf_error: {CRASH}")
        # Beyond the 16 MiB that are kept to find the error in.
        verdict = self.expecting(crashed, "x" * (17 << 20) + "\ndeep in the dump\n", contains="deep in", matches=r"(?m)^deep.*dump$")
        self.assertEqual(verdict["verdict"], "pass", verdict)

    def test_a_trace_is_bounded_whatever_the_guest_sends(self):
        scheduler = {"name": "ls", "path": "/bin/ls"}
        for told, expected in (({"trace": "a\nb\n"}, ["a", "b"]), ({"trace": "a\x1b[31m"}, ["a?[31m"]), ({"trace": "x\n" * 41}, ["x"] * 40),
                               ({"trace": "y" * 20000}, ["y" * 16384]), ({"trace": ["a"]}, None), ({}, None), ({"trace": ""}, [])):
            with self.subTest(told=str(told)[:40]):
                reported = result("sched_ejected", of_body=body(), sched=EJECTED, trace_error="no kprobes", **told)
                verdict = self.judged(reported, scheduler=scheduler, trace=True)
                self.assertEqual((verdict.get("trace"), verdict["trace_error"]), (expected, "no kprobes"))
                self.assertIs(self.handed()[0]["trace"], True)
        # Nobody asked for it.
        verdict = self.judged(result("sched_ejected", of_body=body(), sched=EJECTED, trace="a\n", trace_error="b"), scheduler=scheduler)
        self.assertNotIn("trace", verdict)
        self.assertNotIn("trace_error", verdict)
        self.assertNotIn("trace", self.handed()[0])
        self.refused("trace", "there is none", trace=True)

    def test_only_names_of_functions_are_probed(self):
        scheduler = {"name": "ls", "path": "/bin/ls"}
        self.judged(result(of_body=body(), sched=SOUND), scheduler=scheduler, trace=True, trace_functions=["do_enqueue_task", "f.isra.0"])
        self.assertEqual(self.handed()[0]["trace_functions"], ["do_enqueue_task", "f.isra.0"])
        self.refused("trace_functions", "", scheduler=scheduler, trace_functions=["f"])
        for wrong in (["f"] * 17, ["f g"], ["f\ng"], [""], ["1f"], [".f"], ["f$"], ["f/"], ["x" * 128]):
            with self.subTest(wrong=wrong):
                self.refused("trace_functions", "", scheduler=scheduler, trace=True, trace_functions=wrong)

    def test_one_that_went_by_itself_and_has_no_process_did_not_exit(self):
        for told, outcome, words in (({}, "released", "let go of sched_ext by itself before the workload ended"),
                                     ({"exit_code": 0, "stop_signal": 2}, "released", "before the workload ended, and did not exit"),
                                     ({"exit_code": 3}, "failed", "exited with status 3 before the workload ended")):
            with self.subTest(told=told):
                verdict = self.judged(result("sched_exited", of_body=body(), sched={"attached": True, "ops": "fake_ops", "attach_ms": 1, **told}),
                                      scheduler={"name": "ls", "path": "/bin/ls"})
                self.assertEqual((verdict["scheduler"]["outcome"], verdict["verdict"]), (outcome, "fail"), verdict)
                self.assertIn(f"{words}: ", verdict["reason"])

    def test_how_long_it_lived_is_told_where_it_ended_by_itself(self):
        for told, expected in (({"ended_after_ms": 1230}, 1230), ({}, None), ({"ended_after_ms": -1}, None), ({"ended_after_ms": "x"}, None)):
            with self.subTest(told=told):
                verdict = self.judged(result("sched_ejected", of_body=body(), sched={**EJECTED, **told}), scheduler={"name": "ls", "path": "/bin/ls"})
                self.assertEqual(verdict["scheduler"].get("ended_after_ms"), expected)

    def test_a_stall_under_a_timeout_that_nobody_asked_for_may_be_a_round(self):
        """500 workers on one CPU: it is 10 s until each has had its slice."""
        crowd = body()
        crowd["workload"]["cpus"] = "0"
        crowd["workload"]["cgroups"][0]["workers"] = [worker(i) for i in range(500)]
        stalled = result("sched_ejected", of_body=crowd, sched=STALLED)
        own = result("sched_ejected", of_body=crowd, sched={k: v for k, v in STALLED.items() if k != "forced_timeout_ms"})
        wrong = result("sched_ejected", of_body=crowd, sched={**STALLED, **{k: EJECTED[k] for k in ("disabled_reason", "disabled_message")}})
        few = result("sched_ejected", of_body=body(), sched=STALLED)
        words = "the kernel threw ls out: runnable task stall: ktstr-work[9] failed to run for 10.010s"
        for reported, watchdog, expected in ((stalled, {"at_most": True}, "inconclusive"), (own, {"at_most": True}, "fail"),
                                             (wrong, {"at_most": True}, "fail"), (few, {"at_most": True}, "fail"),
                                             (stalled, {"timeout_ms": 10000}, "fail"), (stalled, {"timeout_ms": 10000, "at_most": True}, "fail")):
            with self.subTest(watchdog=watchdog, expected=expected):
                verdict = self.judged(reported, scheduler={"name": "ls", "path": "/bin/ls"}, accel="tcg", watchdog=watchdog)
                self.assertEqual(verdict["verdict"], expected, verdict["reason"])
                if expected == "inconclusive":
                    self.assertEqual(verdict["reason"], words + "; with so many workers a round takes up to 10000 ms; the timeout of 10000 ms is the default, "
                                                                "and .watchdog_timeout_s sets another")
                elif reported is not wrong:
                    self.assertEqual(verdict["reason"], words)
        verdict = self.judged(stalled, scheduler={"name": "ls", "path": "/bin/ls"}, accel="tcg", watchdog={"at_most": True}, expect={"error": True})
        self.assertEqual(verdict["verdict"], "pass", verdict["reason"])

    def test_another_error_is_a_fail(self):
        verdict = self.expecting(result("sched_ejected", sched=EJECTED), contains="something else")
        self.assertEqual(verdict["verdict"], "fail")
        self.assertEqual(verdict["reason"], f"expected error with 'something else', which is nowhere in what ls printed; it says: {CRASH}")

    def test_the_tests_own_failure_counts_beside_it(self):
        """But not what the crash explains: the workload ended at 2 s of the guest's time."""
        for gone_ns, expected in ((2 * 10**9 - 1, "pass"), (2 * 10**9, "fail")):
            verdict = self.expecting(result("sched_ejected", of_body=body(work_units=0), sched={**EJECTED, "gone_ns": gone_ns}), contains=CRASH)
            self.assertEqual(verdict["verdict"], expected, verdict)
        self.assertIn("tid 101 starved (0 work units) (ls ended in the expected error", verdict["reason"])
        verdict = self.expecting(result("sched_ejected", of_body=body("fail", [{"outcome": "fail", "text": "counted 3"}]), sched=EJECTED))
        self.assertEqual((verdict["verdict"], verdict["reason"]),
                         ("fail", "counted 3 (ls ended in the expected error, and the test failed besides)"))

    def test_no_error_is_a_fail(self):
        verdict = self.expecting(result(of_body=body(), sched=SOUND), log=CRASH, contains=CRASH)
        self.assertEqual((verdict["verdict"], verdict["reason"]), ("fail", "expected error but test passed"))
        verdict = self.expecting(result("not_attached", sched={"attached": False, "exit_code": 1}))
        self.assertEqual(verdict["verdict"], "fail")
        self.assertIn("expected error, and a scheduler that never attached is not it", verdict["reason"])
        verdict = self.expecting(result(of_body=body(work_units=0), sched=SOUND))
        self.assertEqual(verdict["reason"], "expected error of ls, and this is none: tid 101 starved (0 work units)")

    def test_a_guest_that_dies_is_not_the_expected_error(self):
        self.daemon.play("poweroff_early")
        verdict = self.expecting(result())
        self.assertEqual((verdict["verdict"], verdict["error"]), ("error", JOB + "GuestDied"))


if __name__ == "__main__":
    kt.main()
