# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmarks' arithmetic and report, and that they leave nothing behind. How fast anything is is no test's business."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import ktstr_test as kt

sys.path.insert(0, str(kt.SOURCE / "bench"))

from lib import bench, report, stats  # noqa: E402
from lib.report import AT_LEAST, AT_MOST, Target  # noqa: E402

RUN = kt.SOURCE / "bench/run"


class Arithmetic(unittest.TestCase):
    def test_percentiles_are_samples(self):
        hundred = list(range(100, 0, -1))
        for p, value in ((0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)):
            self.assertEqual(stats.percentile(hundred, p), value, p)
        self.assertEqual(stats.percentile([7], 99), 7)
        self.assertEqual(stats.percentile([1, 2, 3, 4], 99), 4)
        for samples, p in (([], 50), ([1], -1), ([1], 101)):
            with self.assertRaises(ValueError):
                stats.percentile(samples, p)

    def test_summary(self):
        self.assertEqual(stats.summary([4, 1, 3, 2]), {"n": 4, "min": 1, "median": 2.5, "p99": 4, "max": 4})

    def test_a_ratio_is_of_medians(self):
        self.assertEqual(stats.ratio([30, 10, 1000], [2, 1, 3]), 15)

    def test_quarters_are_even_and_lose_nothing(self):
        for n in (4, 5, 7, 240):
            parts = stats.quarters(list(range(n)))
            self.assertEqual(sum(parts, []), list(range(n)))
            self.assertLessEqual(max(map(len, parts)) - min(map(len, parts)), 1)
        with self.assertRaises(ValueError):
            stats.quarters([1, 2, 3])

    def test_growth_is_from_the_second_quarter_to_the_last(self):
        self.assertEqual(stats.growth([0, 0, 10, 10, 99, 99, 14, 14]), 4)
        self.assertEqual(stats.growth([5] * 40), 0)


class Report(unittest.TestCase):
    def make(self):
        r = report.Report({"cpu": "some"})
        slow = r.figure("start", "theirs", "ms")
        fast = r.figure("start", "ours", "ms", [Target("median", AT_MOST, 3), Target("p99", AT_MOST, 2)], note="with care")
        rate = r.figure("wire", "rate", "calls/s", [Target("min", AT_LEAST, 20000)])
        never = r.figure("start", "never", "ms", [Target("max", AT_MOST, 1)])
        for x in (1000, 900, 1100):
            slow.add(x)
        for x in (2, 2.5, 3):
            fast.add(x)
        rate.add(20000)
        r.ratio(slow, fast, 300)
        r.ratio(slow, never, 300)
        r.not_measured("start: never", "not here")
        r.not_measured("start: never", "not here")
        return r

    def test_json_has_every_figure_sample_and_judgement(self):
        r = json.loads(json.dumps(self.make().json()))
        self.assertEqual([f["name"] for f in r["figures"]], ["theirs", "ours", "rate"])
        ours = r["figures"][1]
        self.assertEqual((ours["n"], ours["median"], ours["p99"], ours["samples"]), (3, 2.5, 3, [2, 2.5, 3]))
        self.assertEqual([t["met"] for t in ours["targets"]], [True, False])
        self.assertEqual([t["met"] for t in r["figures"][2]["targets"]], [True])
        self.assertEqual(r["ratios"], [{"subject": "start", "slow": "theirs", "fast": "ours", "times": 400, "at_least": 300, "met": True}])
        self.assertEqual(r["not_measured"], [{"subject": "start: never", "reason": "not here"}])

    def test_text_says_what_was_met_and_what_not(self):
        text = self.make().text()
        self.assertRegex(text, r"(?m)^cpu +some$")
        self.assertRegex(text, r"(?m)^ours +ms +3 +2\.50 +3 +2 +3 +median <= 3 +yes$")
        self.assertRegex(text, r"(?m)^ +p99 <= 2 +NO$")
        self.assertRegex(text, r"(?m)^rate +calls/s +1 +20000 .* min >= 20000 +yes$")
        self.assertRegex(text, r"(?m)^start: ours, against theirs +400 times +>= 300 +yes$")
        self.assertIn("  ours: with care\n", text)
        self.assertIn("  start: never: not here\n", text)
        self.assertNotRegex(text, r"(?m)^never")

    def test_numbers_have_no_more_digits_than_matter(self):
        for x, text in ((0, "0"), (3.0, "3"), (0.04567, "0.046"), (1.4567, "1.46"), (14.567, "14.57"), (145.67, "145.7"), (20361.6, "20362")):
            self.assertEqual(report.number(x), text)

    def test_what_is_missing_is_left_out_with_its_reason(self):
        b = bench.Bench(pathlib.Path("/nonexistent"), 1, 1)
        b.report = report.Report({})
        b.subject = "start"
        with b.part("theirs"):
            b.kernel("full")
            self.fail("a kernel that is not there was found")
        (subject, reason), = b.report.missing
        self.assertEqual(subject, "start: theirs")
        self.assertIn("bench-data", reason)

    def test_what_is_compared_takes_turns(self):
        b, turns = bench.Bench(None, 2, 1), []
        b.interleave([(lambda: turns.append("a"), 1), (lambda: turns.append("b"), 2)])
        self.assertEqual("".join(turns), "abbabb")


class Run(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.scratch = self.dir / "scratch"
        self.scratch.mkdir()

    def start(self, *args):
        process = subprocess.Popen([RUN, "--build", kt.BUILD, *map(str, args)], env=dict(os.environ, TMPDIR=str(self.scratch)),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # One that a test has given up would keep both CPUs busy from then on.
        self.addCleanup(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=kt.PATIENCE_S)

    def finish(self, process):
        out, err = process.communicate(timeout=kt.PATIENCE_S)
        return kt.Result(process.args, process.returncode, out, err)

    def running(self):
        """What was started with something of the scratch folder on its command line."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and str(self.scratch).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
        return found

    def test_list_names_every_subject(self):
        result = self.finish(self.start("--list"))
        self.assertEqual(result.status, 0, result)
        there = {p.stem for p in (kt.SOURCE / "bench").glob("*.py")}
        self.assertEqual({line.split()[0] for line in result.out.splitlines()}, there)
        for line in result.out.splitlines():
            self.assertGreater(len(line.split()), 2, line)

    def test_a_subject_that_is_none_is_told(self):
        result = self.finish(self.start("nothing"))
        self.assertEqual(result.status, 2)
        self.assertIn("no subject 'nothing': there are wire, boot", result.err)

    def test_a_build_that_is_none_is_told(self):
        result = self.finish(subprocess.Popen([RUN, "--build", self.dir], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        self.assertEqual(result.status, 1)
        self.assertEqual(len(result.err.splitlines()), 1, result)
        self.assertIn("make build", result.err)

    def test_the_daemon_is_measured(self):
        result = self.finish(self.start("--rounds", 1, "--seconds", 1, "--json", self.dir / "json", "wire"))
        self.assertEqual(result.status, 0, result)
        got = json.loads((self.dir / "json").read_text())
        self.assertEqual({f["subject"] for f in got["figures"]}, {"wire"})
        for figure in got["figures"]:
            self.assertEqual(figure["n"], len(figure["samples"]))
            self.assertIn(figure["name"], result.out)
        self.assertGreater(next(f for f in got["figures"] if f["unit"] == "calls/s")["min"], 0)
        self.assertEqual(got["not_measured"], [])
        self.assertEqual((self.running(), list(self.scratch.iterdir())), ([], []))

    def test_all_that_was_started_ends_when_it_is_interrupted(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 1)):
            with self.subTest(signal=number):
                process = self.start("--seconds", 6000, "wire")
                kt.wait_until(lambda: len(self.running()) >= 2, "the daemon and its client to run")
                process.send_signal(number)
                result = self.finish(process)
                self.assertEqual(result.status, status, result)
                self.assertEqual((self.running(), list(self.scratch.iterdir())), ([], []))


if __name__ == "__main__":
    kt.main()
