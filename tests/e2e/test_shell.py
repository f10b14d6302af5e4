# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ktstrctl shell --exec`: what is run, what comes back."""

import pathlib
import tempfile
import unittest

import ktstr_test as kt


class Shell(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon()
        cls.enterClassContext(cls.daemon)

    def shell(self, command, *args, **kwargs):
        return self.daemon.ctl("shell", *args, "--exec", command, **kwargs)

    def test_output_and_status_are_the_commands(self):
        result = self.shell("echo out; echo err >&2; exit 7")
        self.assertEqual((result.status, result.out, result.err), (7, "out\n", "err\n"))

    def test_descriptors_have_names(self):
        result = self.shell("echo out >/dev/stdout; echo err >/dev/stderr; echo piped | cat /dev/stdin; ls /dev/fd | head -n 1")
        self.assertEqual((result.status, result.out, result.err), (0, "out\npiped\n0\n", "err\n"))

    def test_a_signal_is_128_and_more(self):
        self.assertEqual(self.shell("kill -9 $$").status, 137)

    def test_files_go_along(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name) / "tree"
            (folder / "deep").mkdir(parents=True)
            (folder / "deep/a b").write_bytes(bytes(range(256)) * 1000)
            (folder / "run.sh").write_text("#!/bin/sh\necho ran\n")
            (folder / "run.sh").chmod(0o755)
            single = pathlib.Path(name) / "single"
            single.write_text("one\n")
            result = self.shell("cat /include-files/single; /include-files/tree/run.sh; md5sum < '/include-files/tree/deep/a b'",
                                "-i", single, "-i", folder)
        self.assertEqual(result.out, "one\nran\n" + __import__("hashlib").md5(bytes(range(256)) * 1000).hexdigest() + "  -\n", result)

    def test_what_schedulers_need_is_there(self):
        result = self.shell("for d in /proc /sys /dev /sys/fs/cgroup /sys/fs/bpf /sys/kernel/tracing /sys/kernel/debug /tmp; do "
                            "grep -q \" $d \" /proc/mounts || echo missing $d; done; head -n 1 /boot/config-$(uname -r) | cut -c1; "
                            "cat /sys/kernel/sched_ext/state; grep -c cpuset /sys/fs/cgroup/cgroup.controllers")
        self.assertEqual(result.out, "#\ndisabled\n1\n", result)

    def test_much_output_arrives_whole(self):
        result = self.shell("seq 1 200000")
        self.assertEqual(result.status, 0)
        self.assertEqual(result.out, "".join(f"{i}\n" for i in range(1, 200001)))

    def test_the_kernel_and_its_time(self):
        result = self.shell("uname -r; date +%s", "--kernel", "6.16")
        release, now = result.out.split()
        self.assertTrue(release.startswith("6.16"), release)
        self.assertLess(abs(int(now) - __import__("time").time()), 60)


if __name__ == "__main__":
    kt.main()
