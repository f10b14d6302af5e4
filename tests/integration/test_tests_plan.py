# SPDX-License-Identifier: LGPL-2.1-or-later
"""ktstrctl test: which programs it takes, and which of their tests it would run."""

import concurrent.futures
import json
import re
import shutil
import xml.etree.ElementTree as ElementTree

import ktstr_test as kt
from program_case import LISTING, Tests


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

    def test_one_that_is_not_gone_at_once_has_said_it_all_the_same(self):
        listing = json.dumps({**LISTING, "tests": [{"name": "t"}]})
        self.assertEqual(self.names(self.script("slow", f"printf '%s' '{listing}'; exec >&- 2>&-; exec sleep 2\n")), ["ktstr/t"])

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
                                     "host_only": False, "performance_mode": False, "ignored": False})
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


if __name__ == "__main__":
    kt.main()
