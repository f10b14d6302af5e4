# SPDX-License-Identifier: LGPL-2.1-or-later
"""ktstrctl test, against programs of all kinds and a daemon that is played here: what is listed, submitted and told."""

import concurrent.futures
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest
import xml.etree.ElementTree as ElementTree

import ktstr_test as kt
from played_daemon import PlayedDaemon, ended, verdict

LISTING = {"ktstr_list": 1, "version": "0.1.0", "errors": [], "schedulers": [], "tests": []}


class Tests(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-")).resolve()
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.verdicts = {}
        self.jobs = 0
        self.running, self.cancelled = set(), {}
        self.kernels = ["6.14.2", "6.15.9"]
        self.daemon = self.enterContext(PlayedDaemon(Submit=self.submit, Resolve=self.resolve, Room=self.room, Status=self.status,
                                                     Cancel=self.cancel))

    # --- the daemon ---

    def submit(self, label, **_):
        self.jobs += 1
        job = f"job{self.jobs}"
        v = self.verdicts.get(re.sub(r"#\d+$", "", label), verdict())
        if callable(v):
            yield from v(job)
        else:
            yield from ended(job, v)

    def hang(self, job):
        """One that runs until it is cancelled."""
        self.cancelled[job] = threading.Event()
        self.running.add(job)
        yield {"continues": True, "parameters": {"job": job, "event": {"kind": "queued", "elapsed_ms": 0, "position": 0, "wait_ms": 0}}}
        self.cancelled[job].wait(kt.PATIENCE_S)
        self.running.discard(job)
        yield {"parameters": {"job": job, "event": {"kind": "verdict", "elapsed_ms": 5, "verdict": verdict("cancelled", "cancelled")}}}

    def cancel(self, job):
        # One that is gone already is none to cancel.
        if job in self.cancelled:
            self.cancelled[job].set()
        yield {"parameters": {}}

    def resolve(self, kernels=None, kernel=None):
        if not kernels:
            yield {"parameters": {"entry": {"key": "newest"}, "resolved": [{"label": "kernel_newest", "entry": {"key": "newest"}}]}}
            return
        found = [v for k in kernels for v in (self.kernels if ".." in k else [k])]
        resolved = [{"spec": v, "label": "kernel_" + v.replace(".", "_"), "entry": {"key": f"{v}-key"}} for v in found]
        yield {"parameters": {"entry": resolved[0]["entry"], "resolved": resolved}}

    def room(self, topology=None, accel=None):
        yield {"parameters": {"cpus": 16, "memory_mib": 4096}}

    def status(self):
        yield {"parameters": {"accelerator": "tcg"}}

    # --- programs ---

    def script(self, name, text, folder=None):
        path = (folder or self.dir) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def program(self, *tests, schedulers=(), errors=(), name="my_tests", body="exit 3"):
        """A test program that declares these."""
        listing = {**LISTING, "tests": [{"name": t} if isinstance(t, str) else t for t in tests], "schedulers": list(schedulers),
                   "errors": list(errors)}
        text = json.dumps(listing).replace("'", "'\\''")
        return self.script(name, f"case $1 in\n--ktstr-list) printf '%s' '{text}' ;;\n--ktstr-body) {body} ;;\nesac\n")

    def compiled(self, name, source, *options):
        """A program of C, with the section that a test program has."""
        path = self.dir / f"{name}.c"
        path.write_text('__attribute__((used, section("ktstr_tests"))) static const char *const tests[] = {"t"};\n' + source)
        subprocess.run(["cc", "-o", self.dir / name, path, *options], check=True)
        return self.dir / name

    # --- the client ---

    def env(self, **env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("KTSTR_KERNEL") and not k.startswith("KTSTR_SCHEDULER")}
        return {**clean, "KTSTRD_SOCKET": self.daemon.socket, **env}

    def ctl(self, *args, timeout=kt.PATIENCE_S, **env):
        argv = [str(kt.KTSTRCTL), "test", *map(str, args)]
        p = subprocess.run(argv, cwd=self.dir, env=self.env(**env), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
        return kt.Result(argv[1:], p.returncode, p.stdout.decode(), p.stderr.decode())

    def start(self, *args):
        return subprocess.Popen([str(kt.KTSTRCTL), "test", *map(str, args)], cwd=self.dir, env=self.env(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def refused(self, *args, words=(), status=64, **kwargs):
        """One line on stderr with these words; nothing was submitted."""
        result = self.ctl(*args, **kwargs)
        self.assertEqual((result.status, result.out), (status, ""), result)
        self.assertEqual(len(result.err.splitlines()), 1, result)
        for word in words:
            self.assertIn(word, result.err)
        self.assertEqual(self.daemon.asked("Submit"), [])
        return result

    def broken(self, program, words):
        """An error among the results, with these words; nothing was submitted."""
        result = self.ctl(program)
        self.assertEqual((result.status, result.err), (3, ""), result)
        line = result.out.splitlines()[0]
        self.assertTrue(line.startswith(f"ERROR  {program}  "), result)
        for word in words:
            self.assertIn(word, line)
        self.assertRegex(result.out, r"\n0 passed, 1 in error of 1 in ")
        self.assertIn(f"      again: ktstrctl test {program} --list\n", result.out)
        self.assertEqual(self.daemon.asked("Submit"), [])
        return result

    def names(self, *args, **kwargs):
        result = self.ctl("--list", *args, **kwargs)
        self.assertEqual(result.status, 0, result)
        return result.out.splitlines()


class Programs(Tests):
    """What a program may be, and what is said of it."""

    def test_one_that_crashes(self):
        crashes = self.compiled("crashes", "int main(void) { __builtin_trap(); }\n")
        self.broken(crashes, words=[str(crashes), "was ended by signal", "--ktstr-list"])
        fails = self.script("fails", "echo 'no such thing' >&2; exit 5\n")
        self.broken(fails, words=["exited with status 5", "no such thing"])

    def test_one_that_prints_without_end(self):
        prints = self.compiled("prints", '#include <stdio.h>\nint main(void) { for (;;) puts("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"); }\n')
        self.broken(prints, words=["prints", "more than 16 MiB"])

    def test_one_that_loops(self):
        loops = self.compiled("loops", "int main(void) { for (;;) ; }\n")
        waits = self.script("waits", "exec 3>&1; exec sleep 600\n")
        # Both at once: each has ten seconds.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for result in [pool.submit(self.broken, loops, words=["loops"]),
                           pool.submit(self.broken, waits, words=["waits", "did not say within 10 s"])]:
                result.result()

    def test_one_that_closes_its_output_and_stays(self):
        self.broken(self.script("stays", "exec >&- 2>&-; while :; do :; done\n"), words=["stays", "did not end"])

    def test_none_has_processes_of_its_own(self):
        """It is told so, and goes on or not; nothing of it is left."""
        bomb = self.compiled("bomb", '#include <stdio.h>\n#include <errno.h>\n#include <string.h>\n#include <unistd.h>\n'
                             'int main(void) { for (int i = 0; i < 1000; i++) if (fork() >= 0) return 7;\n'
                             'fprintf(stderr, "fork: %s\\n", strerror(errno)); return 9; }\n')
        self.broken(bomb, words=["exited with status 9", "fork: Operation not permitted"])
        for call, word in (("vfork()", "9"), ("syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)", "9"),
                           ("syscall(SYS_clone3, (unsigned long[11]){0}, 88UL)", "9")):
            with self.subTest(call=call):
                self.broken(self.compiled("one", "#include <signal.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n"
                                           f"int main(void) {{ return {call} < 0 ? 9 : 7; }}\n"), words=[f"exited with status {word}"])

    def test_a_thread_is_no_process(self):
        source = ('#include <pthread.h>\n#include <stdio.h>\nstatic void *run(void *arg) { return arg; }\n'
                  'int main(void) { pthread_t t; if (pthread_create(&t, NULL, run, NULL) || pthread_join(t, NULL)) return 7;\n'
                  'puts("{\\"ktstr_list\\":1,\\"version\\":\\"1\\",\\"errors\\":[],\\"schedulers\\":[],\\"tests\\":[{\\"name\\":\\"t\\"}]}"); }\n')
        self.assertEqual(self.names(self.compiled("threads", source, "-pthread")), ["ktstr/t"])

    def test_one_that_prints_something_else(self):
        for text, words in (("hello", ["that is no JSON", "nonsense"]), ("[]", ["no listing"]), ("{}", ["no listing"]), ("", ["nonsense"]),
                            (json.dumps({**LISTING, "ktstr_list": 2}), ["format 2", "knows 1"]),
                            (json.dumps({**LISTING, "tests": [{"name": 5}]}), ["tests[0].name"]),
                            (json.dumps({**LISTING, "tests": [{"name": "a", "frobs": 1}]}), ["tests[0].frobs"]),
                            (json.dumps({**LISTING, "tests": [{"name": "a/b"}]}), ["its name is none"]),
                            (json.dumps({**LISTING, "tests": [{"name": "a"}, {"name": "a"}]}), ["two tests are called a"]),
                            (json.dumps({**LISTING, "tests": [{"name": "a", "scheduler": "s"}]}), ["there is no scheduler s"])):
            with self.subTest(text=text):
                program = self.script("nonsense", f"printf '%s' '{text}'\n")
                self.broken(program, words=[w for w in words if w != "that is no JSON"] + ["nonsense"])

    ERRORS = [{"file": "t.c", "line": 12, "test": "a", "field": "llcs", "message": "3 is no multiple of 2"},
              {"scheduler": "s", "message": "two\nlines\x1b[31m"}]
    ERROR_LINES = ["t.c:12: a: llcs: 3 is no multiple of 2", "s: two lines [31m"]

    def test_what_it_says_is_wrong_is_a_line_each(self):
        program = self.program("a", errors=self.ERRORS)
        result = self.ctl(program)
        self.assertEqual((result.status, result.err), (64, ""), result)
        head = f"ERROR  {program}  2 things are wrong in what it declares, so none of its tests is run"
        self.assertEqual(result.out.splitlines()[0], head)
        self.assertEqual(result.out.splitlines()[4:], [head, *(f"      {line}" for line in self.ERROR_LINES), f"      again: ktstrctl test {program} --list"])
        event, summary = self.ctl(program, "--json").events()
        self.assertEqual((event["label"], event["verdict"]["verdict"], event["verdict"]["details"]), (str(program), "error", self.ERROR_LINES))
        self.assertEqual((summary["errors"], summary["failures"][0]["details"]), (1, self.ERROR_LINES))
        result = self.ctl(self.program("a", errors=self.ERRORS[:1]))
        self.assertIn(f"ERROR  {program}  {self.ERROR_LINES[0]}\n", result.out)
        self.assertEqual(self.daemon.asked("Submit"), [])

    def test_a_list_is_of_those_that_can_be_listed(self):
        good, bad, wrong = self.program("a"), self.script("bad", "exit 1\n"), self.program("b", name="wrong", errors=self.ERRORS)
        result = self.ctl("--list", good, bad, wrong)
        self.assertEqual((result.status, [line for line in result.out.splitlines() if line.startswith("ktstr/")]), (64, ["ktstr/a"]), result)
        crash, *lines = result.err.splitlines()
        self.assertTrue(crash.startswith(f"ktstrctl: test: {bad} exited with status 1"), result)
        self.assertEqual(lines, [f"ktstrctl: test: {wrong}: {line}" for line in self.ERROR_LINES])
        result = self.ctl("--list", "--json", good, bad)
        self.assertEqual((result.status, [o["label"] for o in json.loads(result.out)]), (3, ["ktstr/a"]), result)

    def test_one_that_is_broken_keeps_no_other_from_being_run(self):
        good, bad = self.program("a"), self.script("bad", "exit 1\n")
        # A filter may mean what the broken one would declare.
        for args in ((), ("--filter", "ktstr/a"), ("--filter", "other")):
            with self.subTest(args=args):
                result = self.ctl(good, bad, *args, "--junit", "x.xml")
                self.assertEqual(result.status, 3, result)
                self.assertIn(f"ERROR  {bad}  {bad} exited with status 1", result.out)
                suites = {s.get("name"): s for s in ElementTree.parse(self.dir / "x.xml").getroot()}
                self.assertEqual((suites[str(bad)].get("errors"), suites[str(bad)].find("testcase").get("name")), ("1", str(bad)))
                if "other" not in args:
                    self.assertIn("1 passed, 1 in error of 2", result.out)
                    self.assertIn("PASS  ktstr/a (my_tests)", result.out)
        result = self.ctl(good, bad, "--tap")
        self.assertEqual(result.out.splitlines()[:3], ["TAP version 14", "1..2", f"not ok 1 - {bad}"])
        self.assertIn("ok 2 - ktstr/a (my_tests)", result.out)
        self.daemon.calls.clear()
        result = self.ctl(good, bad, "--fail-fast")
        self.assertIn("0 passed, 1 in error, 1 not run of 2", result.out)
        self.assertEqual(self.daemon.asked("Submit"), [])

    def test_a_broken_one_that_is_found_is_no_reason_to_stop(self):
        listing = json.dumps({**LISTING, "tests": [{"name": "t"}]}).replace('"', '\\"')
        (self.dir / "build").mkdir()
        for name, source in (("good", f'#include <stdio.h>\nint main(void) {{ puts("{listing}"); }}\n'), ("bad", "int main(void) { __builtin_trap(); }\n")):
            shutil.move(self.compiled(name, source), self.dir / "build" / name)
        result = self.ctl("-C", "build")
        self.assertEqual(result.status, 3, result)
        self.assertIn("PASS  ktstr/t (good)", result.out)
        self.assertIn("ERROR  build/bad  build/bad was ended by signal", result.out)

    def test_what_is_no_test_program_is_a_slip_and_nothing_runs(self):
        result = self.ctl(self.program("a"), self.dir / "missing", "/bin/ls")
        self.assertEqual((result.status, result.out), (64, ""), result)
        self.assertEqual(len(result.err.splitlines()), 2, result)
        self.assertIn("missing: No such file or directory; build it first", result.err)
        self.assertEqual(self.daemon.asked("Submit"), [])

    def test_one_that_is_none(self):
        self.refused("/bin/ls", words=["/bin/ls is no test program", "ktstr_tests"])
        self.refused(self.dir, words=["is a folder", "-C"])
        plain = self.dir / "plain"
        plain.write_text("x")
        self.refused(plain, words=["no executable file"])
        self.refused(self.program(name="empty"), words=["declares no tests"])

    def test_they_are_found_by_their_section(self):
        listing = json.dumps({**LISTING, "tests": [{"name": "NAME"}]}).replace('"', '\\"')
        for name, where in (("b", "build/y/b"), ("a", "build/x/deep/a"), ("hidden", "build/.git/hidden"), ("above", "above")):
            built = self.compiled(name, "#include <stdio.h>\nint main(void) { puts(\"%s\"); }\n" % listing.replace("NAME", f"t_{name}"))
            (self.dir / where).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(built, self.dir / where)
        (self.dir / "build/link").symlink_to("../above")
        (self.dir / "build/out").symlink_to("..")
        shutil.copy("/bin/true", self.dir / "build/true")
        (self.dir / "build/not-executable").write_bytes((self.dir / "above").read_bytes())
        (self.dir / "build/cut").write_bytes((self.dir / "above").read_bytes()[:500])
        (self.dir / "build/cut").chmod(0o755)
        self.assertEqual(self.names(), ["build/x/deep/a:", "ktstr/t_a", "", "build/y/b:", "ktstr/t_b"])
        self.assertEqual(self.names("-C", "build/y"), ["ktstr/t_b"])
        self.assertEqual(len([n for n in self.names("-C", ".") if n.startswith("ktstr/")]), 3)

    def test_none_that_is_found_says_what_was_looked_for(self):
        self.refused("--list", words=["no test program below .", "ktstr_tests", "-C"])
        (self.dir / "build").mkdir()
        self.refused(words=["no test program below build"])
        self.refused("-C", "nowhere", words=["nowhere", "No such file"])


class Plan(Tests):
    """Tests by kernels by presets, and their names."""

    def test_a_kernel_is_in_the_name_where_there_are_several(self):
        program = self.program("a", {"name": "on_host", "host_only": True}, {"name": "later", "ignore": True})
        self.assertEqual(self.names(program), ["ktstr/a", "ktstr/on_host", "ktstr/later  (ignored)"])
        self.assertEqual(self.names(program, "--kernel", "6.14.2"), ["ktstr/a", "ktstr/on_host", "ktstr/later  (ignored)"])
        several = ["ktstr/a/kernel_6_14_2", "ktstr/a/kernel_6_15_9", "ktstr/on_host", "ktstr/later/kernel_6_14_2  (ignored)",
                   "ktstr/later/kernel_6_15_9  (ignored)"]
        self.assertEqual(self.names(program, "--kernel", "6.14.2", "--kernel", "6.15.9"), several)
        self.assertEqual(self.names(program, "--kernel", "6.14..6.15"), several)
        self.assertEqual(self.names(program, KTSTR_KERNEL="6.14.2 6.15.9"), several)
        self.kernels = ["6.14.2"]
        self.assertEqual(self.names(program, "--kernel", "6.14..6.15")[0], "ktstr/a")

    def test_the_gauntlet_is_what_the_constraints_accept(self):
        program = self.program("a", {"name": "smt", "scheduler": "s", "constraints": {"requires_smt": True}},
                               {"name": "on_host", "host_only": True},
                               schedulers=[{"ident": "s", "name": "s", "binary": "x", "constraints": {"min_llcs": 2}}])
        names = self.names(program, "--gauntlet")
        self.assertEqual(len([n for n in names if n.startswith("gauntlet/a/")]), 15, names)
        self.assertEqual([n.split("/")[2] for n in names if n.startswith("gauntlet/smt/")],
                         ["smt-2llc", "smt-3llc", "medium-4llc", "medium-8llc", "large-4llc", "large-8llc"])
        self.assertEqual([n for n in names if "on_host" in n], ["ktstr/on_host"])
        names = self.names(program, "--gauntlet", "--kernel", "6.14..6.15", "--filter", "*smt/smt-2llc*")
        self.assertEqual(names, ["gauntlet/smt/smt-2llc/kernel_6_14_2", "gauntlet/smt/smt-2llc/kernel_6_15_9"])

    def test_filters(self):
        program = self.program("basic_steady", "basic_churn", "smt_steady")
        several = ["--kernel", "6.14..6.15"]
        for filters, n in ((["basic_*"], 2), (["ktstr/basic_steady"], 1), (["basic_steady"], 1), (["*steady"], 2),
                           (["basic_steady", "smt_steady"], 2), (["*"], 3)):
            with self.subTest(filters=filters):
                options = [word for f in filters for word in ("--filter", f)]
                self.assertEqual(len(self.names(program, *options)), n)
                self.assertEqual(len(self.names(program, *options, *several)), 2 * n)
        self.assertEqual(self.names(program, "--filter", "basic_steady/kernel_6_14_2", *several), ["ktstr/basic_steady/kernel_6_14_2"])

    def test_a_filter_without_a_match_names_what_is_near(self):
        program = self.program("basic_steady", "smt_steady", "other")
        result = self.refused(program, "--filter", "basic_stedy", words=["'basic_stedy' matches no test", "ktstr/basic_steady", "--list"])
        self.assertNotIn("other", result.err)
        self.refused(program, "--filter", "other", "--filter", "steady", words=["'steady' matches", "ktstr/basic_steady, ktstr/smt_steady"])
        self.refused(program, "--filter", "gauntlet/*", words=["--gauntlet"])

    def test_a_list_for_programs(self):
        program = self.program({"name": "a", "scheduler": "s"}, {"name": "b", "ignore": True}, {"name": "c", "host_only": True},
                               schedulers=[{"ident": "s", "name": "sched", "binary": "x", "topology": {"llcs": 2, "cores": 4}}])
        listed = json.loads(self.ctl(program, "--list", "--json").out)
        self.assertEqual(listed[0], {"label": "ktstr/a", "program": str(program), "test": "a", "scheduler": "sched", "topology": "1n2l4c1t",
                                     "host_only": False, "ignored": False})
        self.assertEqual([(t["ignored"], t["host_only"], t.get("topology")) for t in listed],
                         [(False, False, "1n2l4c1t"), (True, False, "1n1l2c1t"), (False, True, None)])

    def test_options_that_do_not_go_together(self):
        program = self.program("a")
        for options, words in ((["--tap", "--json"], ["--tap and --json"]), (["--list", "--tap"], ["leave out --tap"]),
                               (["--list", "--junit", "x"], ["leave out --junit"]), (["-C", "."], ["-C"]), (["--force"], ["--gauntlet"]),
                               (["--repeat", "0"], ["--repeat: '0'"]), (["--jobs", "x"], ["--jobs: 'x'"]),
                               (["--budget", "-1"], ["--budget: '-1'"]), (["--duration", "x"], ["--duration: 'x'"]),
                               (["--topology", "1n1l1c1t"], ["unknown option"])):
            with self.subTest(options=options):
                self.refused(program, *options, words=words)

    def test_a_budget_that_is_enough_for_nothing_is_told(self):
        program = self.program({"name": "long", "duration_s": 60}, {"name": "short", "duration_s": 1}, {"name": "never", "ignore": True})
        self.refused(program, "--budget", "2", words=["no test fits in 2 s; the shortest (ktstr/short) needs about 5 s"])

    def test_the_budget_chooses_and_says_so(self):
        program = self.program("a", {"name": "b", "duration_s": 500}, {"name": "c", "ignore": True})
        result = self.ctl(program, "--budget", "30")
        self.assertEqual(result.status, 0, result)
        self.assertRegex(result.err, r"\Aktstr budget: 1/2 tests, \d+/30s used, \d+/\d+ configurations covered\n\Z")
        self.assertEqual(list(self.daemon.submitted()), ["ktstr/a"])

    def test_a_list_with_a_budget_is_of_what_it_chooses(self):
        program = self.program({"name": "t", "constraints": {"min_cpus": 12}})
        listed = self.names(program, "--gauntlet", "--budget", "60")
        self.assertTrue(any(re.match(r"gauntlet/t/medium-8llc  skipped: .*64 CPUs", line) for line in listed), listed)
        self.assertEqual(self.ctl(program, "--gauntlet", "--budget", "60").status, 0)
        self.assertEqual({line for line in listed if "skipped" not in line}, self.daemon.submitted().keys())


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
        for declared, watchdog in (({}, {"timeout_ms": 5000, "at_most": True}), ({"watchdog_timeout_s": 7.5}, {"timeout_ms": 7500, "at_most": False}),
                                   ({"watchdog_timeout_s": -1}, None)):
            with self.subTest(declared=declared):
                parameters, _ = self.submitted(declared, self.SCHEDULER)
                self.assertEqual(parameters.get("watchdog"), watchdog)

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
        result = self.ctl(program, "--ignored", "--kernel", "6.14..6.15", "--duration", "2s", "--repeat", "2", "--filter", "*")
        again = set(re.findall(r"again: (.*)", result.out))
        self.assertEqual(again, {f"ktstrctl test '{self.dir}/it'\\''s odd/my_tests' --filter 'ktstr/b' --kernel 6.15.9 --ignored "
                                 "--seed 77 --duration 2s"})
        self.daemon.calls.clear()
        command = again.pop().replace("ktstrctl", str(kt.KTSTRCTL), 1)
        p = subprocess.run(["sh", "-c", command], env=self.env(), capture_output=True, text=True)
        self.assertEqual(p.returncode, 1, p)
        (parameters, _), = self.daemon.asked("Submit")
        self.assertEqual((parameters["label"], parameters["kernel"], parameters["duration_ms"], parameters["seed"]), ("ktstr/b", "6.15.9", 2000, 77))

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
        kt.wait_until(lambda: len(self.running) == 2, "two to run")
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
        v, result = self.verdict_of(f"sleep 600 & echo $! >{self.dir}/pid; wait", "--timeout", "1s")
        self.assertEqual((v["verdict"], v["error"]), ("error", "io.ktstrd.Job.TestProgram"), result)
        self.assertIn("did not end within 1000 ms", v["reason"])
        pid = int((self.dir / "pid").read_text())
        kt.wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists() or
                      "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0], "its child to be gone")

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
        client.send_signal(signal.SIGINT)
        out, _ = client.communicate(timeout=kt.PATIENCE_S)
        self.assertEqual(client.returncode, 130, out)
        pid = int((self.dir / "pid").read_text())
        kt.wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the body to be gone")

    def test_it_is_asked_for_no_scheduler(self):
        v, result = self.verdict_of(self.body({"ask": "sched_restart"}, self.end(),
                                              then=f'read first <&9; read answer <&9; echo "$answer" >{self.dir}/answer; exit 0'))
        self.assertEqual(v["verdict"], "pass", result)
        self.assertEqual(json.loads((self.dir / "answer").read_text())["answer"], "failed")


if __name__ == "__main__":
    kt.main()
