# SPDX-License-Identifier: LGPL-2.1-or-later
"""ktstrctl test and submit: what goes to the daemon with a test."""

import json
import os
import pathlib
import shutil
import subprocess

import ktstr_test as kt
from played_daemon import ended, verdict
from program_case import Tests


class Parameters(Tests):
    """What is submitted."""

    def setUp(self):
        super().setUp()
        self.sched = shutil.copy("/bin/true", self.dir / "scx_my")

    SCHEDULER = {"ident": "my", "name": "my_sched", "binary": "scx_my"}

    def submitted(self, test, scheduler=None, *args, **env):
        """The one job that comes of a test, and its files by index."""
        schedulers = [scheduler] if scheduler else []
        t = {"name": "t", **({"scheduler": scheduler["ident"]} if scheduler else {}), **test}
        result = self.ctl(self.program(t, schedulers=schedulers), *args, **env)
        self.assertEqual(result.status, 0, result)
        (parameters, files), = self.daemon.asked("Submit")
        self.daemon.calls.clear()
        return parameters, files

    def test_the_least(self):
        parameters, files = self.submitted({})
        self.assertEqual(parameters, {"label": "ktstr/t", "topology": "1n1l2c1t", "duration_ms": 5000,
                                      "test": {"name": "t", "program": "my_tests", "libraries": [], "program_fd": 0}})
        self.assertEqual(files[0][0], "my_tests")

    def test_what_is_declared_goes_along(self):
        parameters, _ = self.submitted(
            {"topology": {"threads": 2}, "duration_s": 1.2345, "workers_per_cgroup": 3, "memory_mib": 700, "timeout_s": 77.5, "cleanup_budget_ms": 900,
             "extra_sched_args": ["-c", ""], "expect_err": True, "expect_scx_bpf_error_contains": "boom", "expect_scx_bpf_error_matches": "b.*m"},
            {**self.SCHEDULER, "topology": {"numa_nodes": 2, "llcs": 4}, "sched_args": ["-a", "-b"], "kargs": ["nosmt"],
             "sysctls": [{"key": "kernel.a", "value": "1"}], "cgroup_parent": "/p"})
        self.assertEqual({k: parameters[k] for k in ("topology", "duration_ms", "timeout_ms", "workers", "memory_mib", "cleanup_budget_ms", "kargs", "sysctls",
                                                     "cgroup_parent", "expect", "label")},
                         {"topology": "2n4l2c2t", "duration_ms": 1235, "timeout_ms": 77500, "workers": 3, "memory_mib": 700, "cleanup_budget_ms": 900,
                          "kargs": ["nosmt"], "sysctls": [{"key": "kernel.a", "value": "1"}], "cgroup_parent": "/p",
                          "expect": {"error": True, "contains": "boom", "matches": "b.*m"}, "label": "ktstr/t"})
        self.assertEqual((parameters["scheduler"]["name"], parameters["scheduler"]["args"]), ("my_sched", ["-a", "-b", "-c", ""]))

    def test_the_watchdog_has_a_bound_unless_the_test_says_otherwise(self):
        for declared, watchdog in (({}, {"at_most": True}), ({"watchdog_timeout_s": 7.5}, {"timeout_ms": 7500, "at_most": False}),
                                   ({"watchdog_timeout_s": -1}, None)):
            with self.subTest(declared=declared):
                parameters, _ = self.submitted(declared, self.SCHEDULER)
                self.assertEqual(parameters.get("watchdog"), watchdog)

    def test_which_cpus_of_the_host(self):
        plain, fast, never, frugal = {}, {"performance_mode": True}, {"no_perf_mode": True}, {"no_perf_mode": True, "cpu_budget": 3}
        perf = {"performance_mode": True}
        for declared, options, env, asked in (
                (plain, [], {}, {}), (fast, [], {}, perf), ({"performance_mode": False}, [], {}, {}), (never, [], {}, {}),
                (frugal, [], {}, {"cpu_budget": 3}),
                (fast, ["--no-perf-mode"], {}, {}), (fast, [], {"KTSTR_NO_PERF_MODE": "1"}, {}), (fast, [], {"KTSTR_NO_PERF_MODE": ""}, {}),
                (plain, ["--perf-mode"], {}, perf), (never, ["--perf-mode"], {}, {}), (frugal, ["--perf-mode"], {}, {"cpu_budget": 3}),
                # The command line goes before the environment, and the last option before the first.
                (plain, ["--perf-mode"], {"KTSTR_NO_PERF_MODE": "1"}, perf), (fast, ["--perf-mode", "--no-perf-mode"], {}, {}),
                (fast, ["--no-perf-mode", "--cpu-cap", "2"], {}, {"cpu_budget": 2}),
                (frugal, ["--cpu-cap", "2"], {"KTSTR_NO_PERF_MODE": "1"}, {"cpu_budget": 2})):
            with self.subTest(declared=declared, options=options, env=env):
                parameters, _ = self.submitted(declared, None, *options, **env)
                self.assertEqual({k: parameters[k] for k in ("performance_mode", "cpu_budget") if k in parameters}, asked)

    def test_a_cap_that_cannot_be(self):
        program = self.program("a")
        self.refused(program, "--no-perf-mode", "--cpu-cap", "0", words=["--cpu-cap must be ≥ 1 CPU (got 0)"])
        self.refused(program, "--no-perf-mode", "--cpu-cap", "1025", words=["--cpu-cap: '1025' is no number from 1 to 1024"])
        self.refused(program, "--cpu-cap", "2", words=["--cpu-cap is for tests that share the host", "add --no-perf-mode"])

    def test_the_tests_checks_are_on_top_of_the_schedulers(self):
        parameters, _ = self.submitted({"checks": {"max_gap_ms": 1500, "isolation": False, "min_work_rate": -1}},
                                       {**self.SCHEDULER, "checks": {"max_gap_ms": 9, "max_spread_pct": 12.5, "min_work_rate": 3}})
        self.assertEqual(parameters["checks"], {"max_gap_ms": 1500, "max_spread_pct": 12.5, "min_work_rate": -1, "isolation": False})

    def test_the_command_line_overrides(self):
        parameters, _ = self.submitted({"duration_s": 9}, None, "--duration", "300ms", "--accel", "tcg", "--timeout", "7s", "--priority", "low",
                                       "--kernel", "6.14.2")
        self.assertEqual({k: parameters.get(k) for k in ("duration_ms", "accel", "timeout_ms", "priority", "kernel")},
                         {"duration_ms": 300, "accel": "tcg", "timeout_ms": 7000, "priority": "low", "kernel": "6.14.2"})

    def test_files_of_a_scheduler_and_its_test(self):
        (self.dir / "conf.json").write_text("{}")
        (self.dir / "data").mkdir()
        (self.dir / "data/x").write_text("x")
        payload = shutil.copy("/bin/cat", self.dir / "load")
        parameters, files = self.submitted(
            {"extra_include_files": ["data"], "extra_sched_args": ["-z"],
             "payloads": [{"name": "p", "binary": "load", "include_files": ["conf.json"]}, {"name": "q", "binary": payload.name}]},
            {**self.SCHEDULER, "config_file": "data/x", "sched_args": ["-a"]})
        self.assertEqual(parameters["scheduler"]["args"], ["--config", "/include-files/x", "-a", "-z"])
        where = {a["guest_path"]: files[a["file_fd"]][0] for a in parameters["files"]}
        self.assertEqual(where, {"/include-files/x": "x", "/include-files/data/x": "x", "/include-files/conf.json": "conf.json",
                                 "/ktstr/bin/load": "load"})
        self.assertEqual(files[parameters["scheduler"]["program_fd"]][0], "scx_my")
        # What several need is there once: one list of descriptors, one name each.
        libraries = [a["guest_path"] for a in parameters["scheduler"]["libraries"]]
        self.assertIn("/ktstr/lib/libc.so.6", libraries)
        everything = libraries + [a["guest_path"] for a in parameters["test"]["libraries"] + parameters["files"]]
        self.assertEqual(len(everything), len(set(everything)))
        self.assertEqual(len(files), len(everything) + 2)

    def lacking(self, program, words, *args, **env):
        """The summary's entry of what is missing, which is an error of all the program's tests."""
        result = self.ctl(program, *args, **env)
        self.assertEqual((result.status, result.err), (64, ""), result)
        self.assertEqual(self.daemon.asked("Submit"), [])
        entry = result.out.rpartition("\n\n")[2].splitlines()
        for word in words:
            self.assertIn(word, entry[0])
        self.assertEqual(result.out.count(words[0]), 2, "as it comes, and in the summary")
        return entry

    def test_a_file_that_is_missing_is_told_with_its_place(self):
        for declared, field in (({"extra_include_files": ["gone"]}, "extra_include_files"), ({"payloads": [{"name": "p", "binary": "./gone"}]}, "payload"),
                                ({"scheduler": "my", "config": "gone.json"}, "config")):
            with self.subTest(field=field):
                program = self.program({"name": "t", "file": "my.c", "line": 12, **declared},
                                       schedulers=[{**self.SCHEDULER, "config_arg": "{file}", "config_guest_path": "/c"}])
                entry = self.lacking(program, [f"ERROR  ktstr/t  {field}: ", "gone"])
                self.assertEqual(entry[1:], ["      needed by: t (my.c:12)", f"      again: ktstrctl test {program} --filter 'ktstr/t'"])

    def test_what_many_lack_is_told_once_and_the_others_run(self):
        tests = [{"name": f"t{i}", "file": "my.c", "line": i, "extra_include_files": ["./gone"]} for i in range(10)]
        program = self.program("fine", *tests, {"name": "other", "extra_include_files": ["./lost"]})
        args = ("--repeat", "2", "--kernel", "6.14..6.15")
        result = self.ctl(program, *args)
        self.assertEqual((result.status, result.err), (64, ""), result)
        self.assertEqual((result.out.count("./gone"), result.out.count("./lost")), (2, 2), result)
        self.assertIn("ERROR  ktstr/t0/kernel_6_14_2#1 and 39 more  extra_include_files: ", result.out)
        self.assertIn("      needed by: " + ", ".join(f"t{i} (my.c:{i})" for i in range(8)) + " and 2 more\n", result.out)
        self.assertIn("4 passed, 44 in error of 48", result.out)
        self.assertEqual({label.split("/")[1] for label in self.daemon.submitted()}, {"fine"})
        # Where each has its own result it is that of each.
        events = self.ctl(program, *args, "--json").events()
        self.assertEqual(sum(e["kind"] == "verdict" and e["verdict"]["verdict"] == "error" for e in events), 44)

    def test_what_is_odd_about_a_folder_is_told_once(self):
        (self.dir / "void").mkdir()
        result = self.ctl(self.program({"name": "t", "extra_include_files": ["void"]}), "--repeat", "3")
        self.assertEqual((result.status, len(result.err.splitlines())), (0, 1), result)
        self.assertIn("directory contains no regular files", result.err)

    def test_a_config_of_each_test(self):
        (self.dir / "own.json").write_text("{}")
        parameters, files = self.submitted({"config": "own.json"}, {**self.SCHEDULER, "sched_args": ["-a"], "config_arg": "--conf={file},{file}",
                                                                   "config_guest_path": "/etc/s.json"})
        self.assertEqual(parameters["scheduler"]["args"], ["--conf=/etc/s.json,/etc/s.json", "-a"])
        self.assertEqual([(a["guest_path"], files[a["file_fd"]][0]) for a in parameters["files"]], [("/etc/s.json", "own.json")])

    def test_a_scheduler_of_the_kernel(self):
        parameters, _ = self.submitted({}, {"ident": "k", "name": "k", "kernel_builtin_enable": ["echo 1 >x"], "kernel_builtin_disable": ["echo 0 >x"]})
        self.assertEqual(parameters["scheduler"], {"name": "k", "enable": ["echo 1 >x"], "disable": ["echo 0 >x"]})

    def test_schedulers_to_replace_it_with(self):
        shutil.copy("/bin/cat", self.dir / "scx_other")
        t = {"name": "t", "scheduler": "my", "replaces": ["other"]}
        self.assertEqual(self.ctl(self.program(t, schedulers=[self.SCHEDULER, {"ident": "other", "name": "oth", "binary": "scx_other"}])).status, 0)
        (parameters, files), = self.daemon.asked("Submit")
        self.assertEqual([(a["guest_path"], files[a["file_fd"]][0]) for a in parameters["files"] if "/bin/" in a["guest_path"]],
                         [("/ktstr/bin/oth", "scx_other")])

    def test_one_that_is_not_found_matters_only_to_who_takes_it(self):
        t = {"name": "t", "scheduler": "my", "replaces": ["other"]}
        missing = {"ident": "other", "name": "oth", "binary": "scx_nowhere"}
        program = self.program(t, {"name": "u", "scheduler": "my", "replaces": ["other"]}, schedulers=[self.SCHEDULER, missing])
        result = self.ctl(program)
        self.assertEqual(result.status, 0, result)
        self.assertEqual([line[:len("note: oth is left out")] for line in result.err.splitlines()], ["note: oth is left out"])
        self.assertIn("scx_nowhere", result.err)
        self.daemon.calls.clear()
        self.lacking(self.program({"name": "t", "scheduler": "other"}, schedulers=[missing]), ["ERROR  ktstr/t  scheduler 'scx_nowhere' not found"])

    def test_where_a_scheduler_is_looked_for(self):
        (self.dir / "scx_my").unlink()
        places = {"path": self.dir / "path/scx_my", "above": self.dir / "scx_my", "beside": self.dir / "t/scx_my",
                  "any": self.dir / "any/scx_any", "own": self.dir / "own/scx_own"}
        env = {"PATH": f"{self.dir}/path:{os.environ['PATH']}"}
        variables = {"any": ("KTSTR_SCHEDULER", places["any"]), "own": ("KTSTR_SCHEDULER_BIN_SCX_MY", places["own"])}
        program = self.program({"name": "t", "scheduler": "my"}, schedulers=[self.SCHEDULER])
        (self.dir / "t").mkdir()
        program = shutil.move(program, self.dir / "t/my_tests")
        self.lacking(program, ["scheduler 'scx_my' not found. Set KTSTR_SCHEDULER or place it next to the test binary or in ",
                               "KTSTR_SCHEDULER_BIN_SCX_MY"])
        for n, (place, file) in enumerate(places.items()):
            with self.subTest(place=place):
                file.parent.mkdir(exist_ok=True)
                # Each has a size of its own.
                file.write_bytes(pathlib.Path("/bin/true").read_bytes() + b"x" * n)
                file.chmod(0o755)
                if place in variables:
                    env[variables[place][0]] = str(variables[place][1])
                self.daemon.calls.clear()
                result = self.ctl(program, **env)
                self.assertEqual(result.status, 0, result)
                (parameters, files), = self.daemon.asked("Submit")
                self.assertEqual(files[parameters["scheduler"]["program_fd"]][:2], (file.name, file.stat().st_size))
        self.daemon.calls.clear()
        self.lacking(program, ["KTSTR_SCHEDULER names /nonexistent"], KTSTR_SCHEDULER="/nonexistent")

    def test_a_scheduler_that_is_missing_concerns_who_wants_it(self):
        program = self.program({"name": "t", "scheduler": "my"}, {"name": "u", "scheduler": "my"},
                               schedulers=[{"ident": "my", "name": "m", "binary_path": "nowhere/scx"}])
        entry = self.lacking(program, ["ERROR  ktstr/t and 1 more  scheduler 'm'", f"{self.dir}/nowhere/scx", "build it first"])
        self.assertEqual(entry[1], "      needed by: t, u")

    def test_two_libraries_of_one_name_are_no_way_to_run(self):
        for n in (1, 2):
            (self.dir / f"lib{n}").mkdir()
            (self.dir / "f.c").write_text(f"int f(void) {{ return {n}; }}\n")
            subprocess.run(["cc", "-shared", "-fPIC", "-o", self.dir / f"lib{n}/libf.so", self.dir / "f.c"], check=True)
            (self.dir / "m.c").write_text("int f(void);\nint main(void) { return f(); }\n")
            subprocess.run(["cc", "-o", self.dir / f"p{n}", self.dir / "m.c", f"-L{self.dir}/lib{n}", "-lf", f"-Wl,-rpath,{self.dir}/lib{n}"],
                           check=True)
        scheduler = {"ident": "s", "name": "s", "binary": "p1"}
        for binary, status in (("p2", 64), ("p1", 0)):
            result = self.ctl(self.program({"name": "t", "scheduler": "s", "payloads": [{"name": "p", "binary": binary}]}, schedulers=[scheduler]))
            self.assertEqual(result.status, status, result)
            if status:
                self.assertIn("p2 needs another libf.so", result.out)

    def test_a_preset_has_its_topology_and_memory(self):
        program = self.program({"name": "t", "memory_mib": 300, "topology": {"cores": 3}})
        self.assertEqual(self.ctl(program, "--gauntlet", "--filter", "*/tiny-1llc", "--filter", "*/smt-3llc").status, 0)
        jobs = self.daemon.submitted()
        self.assertEqual({k: (p["topology"], p["memory_mib"]) for k, p in jobs.items()},
                         {"gauntlet/t/tiny-1llc": ("1n1l4c1t", 300), "gauntlet/t/smt-3llc": ("1n3l2c2t", 768)})


class Submit(Tests):
    """What submit has of the same."""

    def submit_with(self, *args):
        argv = [str(kt.KTSTRCTL), *args]
        p = subprocess.run(argv, cwd=self.dir, env=self.env(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=kt.PATIENCE_S)
        return kt.Result(argv, p.returncode, p.stdout, p.stderr)

    def test_thresholds_by_option(self):
        self.daemon.answers["Submit"] = lambda **_: ended("j", verdict())
        result = self.submit_with("submit", "--check", "max_gap_ms=1500", "--check", "max_gap_ms=1.5e3", "--check", "isolation=off",
                                  "--check", "max_spread_pct=off", "--check", "not_starved=on")
        self.assertEqual(result.status, 0, result)
        (parameters, _), = self.daemon.asked("Submit")
        self.assertEqual(parameters["checks"], {"max_gap_ms": 1500, "isolation": False, "max_spread_pct": -1, "not_starved": True})
        for check, words in (("max_gap", "'max_gap'; did you mean 'max_gap_ms'?"), ("max_gap_ms=x", "a number from 0 or off, not 'x'"),
                             ("isolation=1", "on or off, not '1'"), ("max_gap_ms=-1", "not '-1'"), ("gap", "not NAME=VALUE")):
            with self.subTest(check=check):
                result = self.submit_with("submit", "--check", check if "did you" not in words else check + "=1")
                self.assertEqual((result.status, result.out), (64, ""), result)
                self.assertIn(words, result.err)

    def test_scenarios(self):
        listed = self.submit_with("scenarios")
        self.assertEqual(len(listed.out.splitlines()), len(json.loads(self.submit_with("scenarios", "--json").out)))
        self.assertRegex(listed.out, r"(?m)^steady {2,}\S")

    def test_thresholds_of_a_test(self):
        program = self.program({"name": "basic", "scheduler": "s", "checks": {"max_gap_ms": 1500, "isolation": False}}, "other",
                               schedulers=[{"ident": "s", "name": "sched", "binary": "x", "checks": {"max_gap_ms": 9, "min_work_rate": 3}}])
        shown = self.submit_with("show-thresholds", "basic", str(program))
        self.assertEqual(shown.status, 0, shown)
        rows = {line.split()[0]: line for line in shown.out.splitlines()[2:]}
        for name, words in (("max_gap_ms", r"1500 ms +1500 ms +test$"), ("isolation", r"off +off +test$"), ("min_work_rate", r"3 \S+ +3 \S+ +scheduler$"),
                            ("max_spread_pct", r"15 % +35 % +default$"), ("max_wake_latency_cv", r"unset +unset +-$"),
                            ("fail_on_stall", r"on +on +default \(of the monitor")):
            self.assertRegex(rows[name], words)
        (of_json,) = json.loads(self.submit_with("show-thresholds", "--json", "ktstr/basic", str(program)).out)
        self.assertEqual((of_json["test"], of_json["scheduler"]), ("basic", "sched"))
        self.assertIn({"name": "max_gap_ms", "kvm": 1500, "tcg": 1500, "unit": "ms", "from": "test", "monitor": False}, of_json["thresholds"])
        for name, words in (("basci", "no test 'basci'; did you mean 'basic'?"), ("xyzzy", "ktstrctl test --list")):
            result = self.submit_with("show-thresholds", name, str(program))
            self.assertEqual(result.status, 64)
            self.assertIn(words, result.err)
        # A broken one beside it is told, and is in nobody's way.
        result = self.submit_with("show-thresholds", "basic", str(program), str(self.script("bad", "exit 1\n")))
        self.assertEqual((result.status, result.out), (3, shown.out), result)
        self.assertIn("bad exited with status 1", result.err)


if __name__ == "__main__":
    kt.main()
