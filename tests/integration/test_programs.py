# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that declare tests, by themselves: what they say they declare, what is wrong with it, and how they start."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

import ktstr_test as kt

SOURCES = kt.SOURCE / "tests/programs"
PROGRAMS = kt.BUILD / "tests/programs"
EXPECTED = re.compile(r"^/\* ([\w.\[\]]+): (.*) \*/$")
DECLARATION = re.compile(r"^(?:KTSTR_SCHEDULER|KTSTR_TEST|TEST)\((\w+)")


def run(name, *args, env=None):
    return subprocess.run([PROGRAMS / f"program-{name}", *args], capture_output=True, text=True, timeout=kt.PATIENCE_S,
                          stdin=subprocess.DEVNULL, env=None if env is None else {"PATH": os.environ["PATH"], **env})


def listed(name):
    result = run(name, "--ktstr-list")
    if result.returncode != 0 or result.stderr:
        raise AssertionError(f"{result}")
    if not result.stdout.endswith("}\n") or result.stdout.count("\n") != 1:
        raise AssertionError(f"not one line: {result.stdout}")
    return json.loads(result.stdout)


def named(objects, key):
    return {o[key]: {k: v for k, v in o.items() if k not in ("file", "line", key)} for o in objects}


def declarations(path):
    """(line, name, [(field, text)]) of each declaration of a source: what its comment expects."""
    expected = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if found := EXPECTED.match(line):
            expected.append(found.groups())
        elif found := DECLARATION.match(line):
            yield number, found[1], expected
            expected = []


class Listing(unittest.TestCase):
    def test_a_program_without_declarations_lists_nothing(self):
        out = listed("empty")
        self.assertEqual((out["ktstr_list"], out["errors"], out["schedulers"], out["tests"]), (1, [], [], []))
        self.assertTrue(out["version"])

    def test_schedulers_come_as_they_were_declared(self):
        out = listed("good")
        self.assertEqual(out["errors"], [])
        self.assertEqual([s["ident"] for s in out["schedulers"]], ["plain", "full", "each_config", "builtin"])
        schedulers = named(out["schedulers"], "ident")
        self.assertEqual(schedulers["plain"], {"name": "plain", "binary": "scx_plain"})
        self.assertEqual(schedulers["full"], {
            "name": "full", "binary_path": "../scheds/scx_full",
            "topology": {"numa_nodes": 1, "llcs": 2, "cores": 4, "threads": 1},
            "kernels": ["6.14", "6.15..=7.0"], "sched_args": ["--slice", "5", ""], "kargs": ["threadirqs", "sched_verbose"],
            "sysctls": [{"key": "kernel.sched_autogroup_enabled", "value": "0"}],
            "constraints": {"min_llcs": 2, "requires_smt": True, "max_cpus": -1},
            "cgroup_parent": "/cells/a", "config_file": "full.json",
            "checks": {"max_gap_ms": 1500.5, "isolation": False, "max_migration_ratio": 0},
        })
        self.assertEqual(schedulers["each_config"], {
            "name": "each_config", "binary": "scx_plain", "config_arg": "--config={file}", "config_guest_path": "/include-files/layers.json"})
        self.assertEqual(schedulers["builtin"], {
            "name": "builtin", "kernel_builtin_enable": ["echo 1 >/sys/kernel/x"], "kernel_builtin_disable": ["echo 0 >/sys/kernel/x"]})

    def test_tests_come_as_they_were_declared(self):
        out = listed("good")
        tests = named(out["tests"], "name")
        self.assertEqual(list(tests), ["under_eevdf", "everything", "spelled_out", "own_config", "in_kernel", "on_host", "fast", "frugal", "demo_shown", "demo_run"])
        self.assertEqual(tests["under_eevdf"], {})
        everything = tests["everything"]
        self.assertEqual(everything.pop("payloads"), [
            {"name": "bench", "binary": "bench", "args": ["-r", "5"], "include_files": ["bench.conf"]},
            {"name": "bare", "binary": "/bin/true"}])
        self.assertEqual(everything, {
            "scheduler": "full", "extra_sched_args": ["--verbose"], "topology": {"llcs": 4, "threads": 2},
            "memory_mib": 1024, "duration_s": 2.5, "workers_per_cgroup": 3, "watchdog_timeout_s": 4, "timeout_s": 90, "cleanup_budget_ms": 5000,
            "extra_include_files": ["data/one"],
            "bpf_map_write": [{"field": "stall", "value": -1}, {"field": "a.b[3][0].c", "value": 2**63 - 1, "map": ".data", "at_ms": 250}],
            "expect_err": True, "expect_scx_bpf_error_contains": "host-triggered",
            "expect_scx_bpf_error_matches": "^(?m)EXIT: .+", "auto_repro": False, "constraints": {"max_llcs": 8},
            "checks": {"max_spread_pct": -1, "not_starved": False, "min_page_locality": 1},
            # Those with another binary: plain and each_config share one, builtin has none.
            "replaces": ["plain", "each_config"],
        })
        # A check or bound is the same by itself and in its struct.
        self.assertEqual(tests["spelled_out"], {
            "scheduler": "plain", "constraints": {"min_cpus": 4}, "checks": {"max_gap_ms": 900}, "replaces": ["full"]})
        self.assertEqual(tests["own_config"]["config"], "layers/one.json")
        self.assertIs(tests["in_kernel"]["ignore"], True)
        self.assertEqual(tests["on_host"], {"host_only": True})
        self.assertEqual(tests["fast"], {"scheduler": "plain", "performance_mode": True, "replaces": ["full"]})
        self.assertEqual(tests["frugal"], {"no_perf_mode": True, "cpu_budget": 2})

    def test_what_is_named_demo_is_ignored_unless_it_says_otherwise(self):
        tests = named(listed("good")["tests"], "name")
        self.assertEqual((tests["demo_shown"], tests["demo_run"]), ({"ignore": True}, {"ignore": False}))

    def test_each_has_its_place(self):
        for name in ("good", "wrong_tests"):
            out = listed(name)
            lines = {found[1]: number for number, line in enumerate((SOURCES / f"{name}.c").read_text().splitlines(), 1)
                     if (found := DECLARATION.match(line))}
            self.assertEqual({o.get("ident") or o["name"]: o["line"] for o in out["schedulers"] + out["tests"]}, lines)
            for o in out["schedulers"] + out["tests"]:
                self.assertEqual(pathlib.Path(o["file"]).name, f"{name}.c")

    def test_nothing_else_goes_with_it(self):
        result = run("good", "--ktstr-list", "--more")
        self.assertEqual((result.returncode, result.stdout), (64, ""))
        self.assertIn("takes nothing else", result.stderr)

    def test_a_list_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([PROGRAMS / "program-good", "--ktstr-list"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot be written: No space left", result.stderr)


class Wrong(unittest.TestCase):
    def check(self, name, sources):
        """What is listed as wrong is what the sources expect: no more, no less, each at its place."""
        errors = listed(name)["errors"]
        for source in sources:
            for line, declared, expected in declarations(SOURCES / source):
                with self.subTest(declared=declared):
                    own = [e for e in errors if pathlib.Path(e["file"]).name == source and e["line"] == line]
                    self.assertTrue(all(declared == e.get("test", e.get("scheduler")) for e in own), own)
                    self.assertEqual(sorted(e["field"] for e in own), sorted(field for field, _ in expected), own)
                    for field, text in expected:
                        self.assertTrue(any(e["field"] == field and text in e["message"] for e in own), (field, text, own))
                    errors = [e for e in errors if e not in own]
        self.assertEqual(errors, [])

    def test_schedulers(self):
        self.check("wrong_schedulers", ["wrong_schedulers.c"])

    def test_tests(self):
        self.check("wrong_tests", ["wrong_tests.c"])

    def test_a_name_in_two_files(self):
        self.check("twice", ["twice.c", "twice_more.c"])
        self.assertRegex(listed("twice")["errors"][0]["message"], r"at .*twice\.c:7$")

    def test_the_list_is_whole_all_the_same(self):
        self.assertEqual(len(listed("wrong_tests")["tests"]), len([d for d in declarations(SOURCES / "wrong_tests.c")]) - 4)


class Start(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.ktstrctl = self.folder / "ktstrctl"
        self.ktstrctl.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 7\n')
        self.ktstrctl.chmod(0o755)

    def test_it_hands_itself_to_ktstrctl(self):
        for args in ((), ("--tap", "--filter", "a b"), ("--help",)):
            with self.subTest(args=args):
                result = run("good", *args, env={"KTSTRCTL": str(self.ktstrctl)})
                self.assertEqual((result.returncode, result.stderr), (7, ""))
                self.assertEqual(result.stdout.splitlines(), ["test", str(PROGRAMS / "program-good"), *args])

    def test_ktstrctl_is_looked_for_in_path(self):
        result = run("good", "--list", env={"PATH": f"/nonexistent:{self.folder}:/usr/bin:/bin"})
        self.assertEqual(result.stdout.splitlines(), ["test", str(PROGRAMS / "program-good"), "--list"])

    def test_a_program_found_in_path_knows_where_it_is(self):
        result = subprocess.run(["program-good", "--list"], capture_output=True, text=True,
                                env={"PATH": f"{self.folder}:{PROGRAMS}:/usr/bin:/bin"})
        self.assertEqual(result.stdout.splitlines(), ["test", str((PROGRAMS / "program-good").resolve()), "--list"])

    def test_without_ktstrctl_it_says_what_to_do(self):
        for env, text in (({"PATH": "/nonexistent"}, "program-good: ktstrctl, which runs the tests, is not in PATH: install ktstrd, or name it by "
                                                     "KTSTRCTL\n"),
                          ({"KTSTRCTL": "/nonexistent/k"}, "program-good: KTSTRCTL names /nonexistent/k, which cannot be started: No such file or "
                                                           "directory\n")):
            with self.subTest(env=env):
                result = run("good", env=env)
                self.assertEqual((result.returncode, result.stdout, result.stderr), (69, "", text))

    def test_a_main_of_its_own_is_the_one_that_runs(self):
        self.assertEqual(run("own_main", "--own").stdout, "own\n")
        self.assertEqual([t["name"] for t in listed("own_main")["tests"]], ["of_own_main"])


class Body(unittest.TestCase):
    """A test's function in a process of its own, with this test in the agent's place."""

    def converse(self, test):
        ours, its = socket.socketpair()
        with ours:
            ours.settimeout(kt.PATIENCE_S)
            with its:
                process = subprocess.Popen([PROGRAMS / "program-good", "--ktstr-body", test], pass_fds=[its.fileno()], stdin=subprocess.DEVNULL,
                                           stderr=subprocess.PIPE, text=True, env={**os.environ, "KTSTR_BODY_FD": str(its.fileno())})
            with contextlib.suppress(BrokenPipeError):
                ours.sendall(json.dumps({"format": 1, "test": test, "duration_ms": 1000, "workers": 2, "watchdog_ms": 1000, "seed": 1,
                                         "emulated": True}).encode() + b"\n")
            said = b""
            with contextlib.suppress(ConnectionResetError):
                while got := ours.recv(65536):
                    said += got
        err = process.communicate(timeout=kt.PATIENCE_S)[1]
        return process.returncode, [json.loads(line) for line in said.splitlines()], err

    def test_the_function_is_run_and_its_outcome_told(self):
        status, said, err = self.converse("under_eevdf")
        self.assertEqual((status, err), (0, ""))
        self.assertEqual([list(line) for line in said], [["result"]])
        self.assertEqual(said[0]["result"]["outcome"], "pass")

    def test_a_test_that_there_is_not(self):
        status, said, err = self.converse("nosuch")
        self.assertEqual((status, said, err), (64, [], "program-good: there is no test 'nosuch'\n"))

    def test_by_hand_it_says_how_a_test_is_run(self):
        for env in ({}, {"KTSTR_BODY_FD": ""}, {"KTSTR_BODY_FD": "x"}, {"KTSTR_BODY_FD": "99"}):
            with self.subTest(env=env):
                result = run("good", "--ktstr-body", "under_eevdf", env=env)
                self.assertEqual((result.returncode, result.stdout), (64, ""))
                self.assertIn("to run it: ktstrctl test", result.stderr)
        self.assertEqual(run("good", "--ktstr-body").returncode, 64)


def build_option(name):
    options = json.loads((kt.BUILD / "meson-info/intro-buildoptions.json").read_text())
    return next(o["value"] for o in options if o["name"] == name)


def compilers():
    return [path for name in ("gcc", "clang-14", "clang-19", "clang") if (path := shutil.which(name))]


@unittest.skipIf(build_option("b_sanitize") != "none", "the library wants the sanitizers of whoever links it")
class Installed(unittest.TestCase):
    """The library as a stranger has it: installed, found by pkg-config, compiled with what strangers compile with."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.stage = kt.install_library(cls.folder)
        cls.env = dict(os.environ, PKG_CONFIG_PATH=str(cls.stage.pkgconfig))

    def flags(self, *which):
        return subprocess.run(["pkg-config", *which, "ktstr"], env=self.env, capture_output=True, text=True, check=True).stdout.split()

    def compile(self, cc, *options, sources=("contract.c",), link=()):
        output = self.folder / "program"
        command = [cc, *options, "-Wall", "-Wextra", "-Werror", *self.flags("--cflags"), *(str(SOURCES / s) for s in sources), "-o", str(output),
                   *self.flags("--libs"), *link]
        result = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""), " ".join(command))
        listing = subprocess.run([output, "--ktstr-list"], capture_output=True, text=True)
        self.assertEqual((listing.returncode, listing.stderr), (0, ""), command)
        return json.loads(listing.stdout)

    def test_the_headers_are_there_and_no_others(self):
        headers = {p.name for p in self.stage.headers.iterdir()}
        self.assertEqual(headers, {p.name for p in (kt.SOURCE / "lib/include").iterdir()})
        self.assertEqual(self.flags("--cflags-only-I")[0], f"-I{self.stage.headers}")

    def test_a_build_that_was_not_installed_will_do(self):
        """As `meson devenv` has it."""
        env = dict(os.environ, PKG_CONFIG_PATH=str(kt.BUILD / "meson-uninstalled"))
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "ktstr"], env=env, capture_output=True, text=True, check=True).stdout.split()
        output = self.folder / "uninstalled"
        subprocess.run([compilers()[0], SOURCES / "contract.c", *flags, "-o", output], check=True)
        listing = json.loads(subprocess.run([output, "--ktstr-list"], capture_output=True, text=True, check=True).stdout)
        self.assertEqual([t["name"] for t in listing["tests"]], ["basic_steady", "smt_steady", "split", "all_of_it"])

    def test_every_compiler_takes_it_and_finds_nothing_to_say(self):
        variants = [["-O0", "-g"], ["-O2"], ["-O2", "-flto"], ["-Os", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"], ["-fno-pie", "-no-pie"]]
        if shutil.which("ld.lld"):
            variants.append(["-O2", "-fuse-ld=lld", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"])
        for cc in compilers():
            for std in ("c11", "gnu17"):
                for variant in variants:
                    # Each release of LLVM reads its own bitcode only, and the system's ld has a plugin of one.
                    if "-flto" in variant and "clang" in cc and not shutil.which("ld.lld"):
                        continue
                    extra = ["-fuse-ld=lld"] if "-flto" in variant and cc.endswith("clang-14") else []
                    if "-flto" in variant and "clang" in cc and not extra:
                        continue
                    with self.subTest(cc=cc, std=std, variant=variant):
                        out = self.compile(cc, f"-std={std}", *variant, *extra)
                        self.assertEqual(out["errors"], [])
                        self.assertEqual([s["ident"] for s in out["schedulers"]], ["my_sched"])
                        self.assertEqual([t["name"] for t in out["tests"]], ["basic_steady", "smt_steady", "split", "all_of_it"])

    def test_several_files_are_one_program(self):
        for options in ([], ["-flto"]):
            out = self.compile(compilers()[0], "-std=gnu17", "-O2", *options, sources=("good.c", "contract.c", "empty.c"))
            self.assertEqual(out["errors"], [])
            self.assertEqual(len(out["tests"]), 14)

    def test_a_main_of_its_own_is_no_second_one(self):
        self.assertEqual(len(self.compile(compilers()[0], "-std=gnu17", sources=("own_main.c",))["tests"]), 1)

    def test_as_a_subproject_it_is_found_by_its_name(self):
        project = self.folder / "project"
        (project / "subprojects").mkdir(parents=True)
        (project / "subprojects/ktstrd").symlink_to(kt.SOURCE)
        shutil.copy(SOURCES / "contract.c", project)
        (project / "meson.build").write_text("project('mine', 'c', default_options : ['c_std=c11', 'warning_level=2', 'werror=true'])\n"
                                             "executable('mine', 'contract.c', dependencies : dependency('ktstr', fallback : 'ktstrd'))\n")
        setup = ["meson", "setup", project / "build", project, "--wrap-mode=forcefallback", "-Dktstrd:werror=false"]
        setup += [f"-Dktstrd:{part}=false" for part in ("tests", "guest", "scheds")]
        for command in (setup, ["ninja", "-C", project / "build", "mine"]):
            result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        listing = subprocess.run([project / "build/mine", "--ktstr-list"], capture_output=True, text=True)
        self.assertEqual(len(json.loads(listing.stdout)["tests"]), 4)

    def test_only_what_the_header_declares_is_visible(self):
        def names(*args):
            lines = subprocess.run(["nm", "--defined-only", *args], capture_output=True, text=True, check=True).stdout.splitlines()
            return {line.split()[2] for line in lines if len(line.split()) == 3}

        declared = "".join(p.read_text() for p in (kt.SOURCE / "lib/include").iterdir())
        visible = names("--extern-only", str(self.stage.library)) - {"main"}
        self.assertGreater(len(visible), 10)
        # The scenarios' names come of a list.
        scenarios = {f"ktstr_{name}" for name in re.findall(r"^X\((\w+),", (kt.SOURCE / "lib/include/scenarios.h").read_text(), re.M)}
        for name in visible - scenarios:
            with self.subTest(name=name):
                self.assertRegex(declared, rf"\b{name}\(")
        for name in set(re.findall(r"^(?:enum ktstr_outcome|[a-z0-9_]+) \*?(ktstr_\w+)\((?!.*\))?", declared, re.M)) - {"ktstr_run"}:
            with self.subTest(declared=name):
                self.assertIn(name, visible)
        for name in scenarios:
            with self.subTest(declared=name):
                self.assertIn(name, visible)

        # An author's functions may have any of the names that are inside.
        inside = {name for name in names(str(self.stage.library)) if re.fullmatch(r"[a-z]\w+", name)} - visible - {"main", "ktstr_main"}
        self.assertGreater(len(inside), 100)
        clash = self.folder / "clash.c"
        clash.write_text("#include <ktstr.h>\nKTSTR_TEST(clashes) { return KTSTR_PASS; }\n" +
                         "".join(f"int {name}(void); int {name}(void) {{ return 1; }}\n" for name in sorted(inside)))
        output = self.folder / "clash"
        result = subprocess.run([compilers()[0], "-std=gnu17", "-fno-builtin", *self.flags("--cflags"), clash, "-o", output, *self.flags("--libs")],
                                capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        listing = subprocess.run([output, "--ktstr-list"], capture_output=True, text=True)
        self.assertEqual([t["name"] for t in json.loads(listing.stdout)["tests"]], ["clashes"])


if __name__ == "__main__":
    kt.main()
