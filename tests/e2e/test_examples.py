# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/ as a stranger has it: a copy of the folder, the library installed, pkg-config, and nothing else of this tree."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import ktstr_test as kt

TESTS = ["steady", "smt", "split", "upheaval", "wakeups", "told_to_fail", "made_to_fail"]


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.project = cls.folder / "project"
        shutil.copytree(kt.SOURCE / "examples", cls.project)
        pkgconfig = [str(kt.install_library(cls.folder / "root").pkgconfig)]
        path = os.environ["PATH"]
        tools = os.environ["KTSTR_TEST_TOOLS"]
        # Where bpftool and libbpf are too old they come from where this build has them.
        if tools:
            file = cls.folder / "tools/libbpf.pc"
            file.parent.mkdir()
            file.write_text(f"includedir={tools}/include\nName: libbpf\nDescription: of the tools\nVersion: 1.4.6\n"
                            f"Requires: libelf zlib\nLibs: {tools}/lib/libbpf.a\nCflags: -I${{includedir}}\n")
            pkgconfig.append(str(file.parent))
            path = f"{tools}/bin:{path}"
        cls.env = dict(os.environ, PATH=path, PKG_CONFIG_PATH=":".join(pkgconfig))
        cls.build = cls.project / "build"
        for command in (["meson", "setup", cls.build, cls.project, "-Dwerror=true"], ["ninja", "-C", cls.build]):
            result = subprocess.run(command, env=cls.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if result.returncode != 0:
                raise AssertionError(f"{command}: {result.stdout}\n{result.stderr}")
        cls.daemon = kt.GuestDaemon()
        cls.daemon.__enter__()
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)

    def run_in_project(self, *command):
        env = self.daemon.client_env({**self.env, "KTSTRCTL": str(kt.KTSTRCTL)})
        return subprocess.run([str(c) for c in command], cwd=self.project, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=600)

    def test_meson_test_runs_them_and_all_pass(self):
        def run():
            result = self.run_in_project("meson", "test", "-C", self.build, "--no-rebuild", "--print-errorlogs")
            return result, (self.build / "meson-logs/testlog.txt").read_text()

        result, log = kt.until_told(run, lambda told: set(re.findall(r'^ *verdict: "(\w+)"$', told[1], re.M)) != {"inconclusive"})
        self.assertEqual(result.returncode, 0, result.stdout + log)
        passed = re.findall(r"^ok \d+ - ktstr/(\S+)$", log, re.M)
        self.assertEqual(sorted(passed), sorted(TESTS), log)
        self.assertNotRegex(log, r"(?m)^not ok")

    def test_they_are_listed_with_what_they_are(self):
        result = self.run_in_project(self.build / "example_tests", "--list")
        self.assertEqual(result.returncode, 0, result.stderr)
        for name in TESTS:
            self.assertRegex(result.stdout, rf"(?m)^ktstr/{name}\b")

    def test_the_readme_has_each_of_them(self):
        text = (self.project / "README.md").read_text()
        self.assertEqual(re.findall(r"^\| `(\w+)` \|", text, re.M), TESTS)
        self.assertEqual(re.findall(r"^KTSTR_TEST\((\w+)", (self.project / "example_tests.c").read_text(), re.M), TESTS)

    def test_the_scheduler_refuses_what_it_does_not_know(self):
        for args, status in ((["--help"], 0), (["--nosuch"], 2), (["--slice-ms", "x"], 2)):
            with self.subTest(args=args):
                self.assertEqual(self.run_in_project(self.build / "scx_example", *args).returncode, status)


if __name__ == "__main__":
    kt.main()
