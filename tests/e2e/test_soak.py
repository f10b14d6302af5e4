# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hundreds of jobs on clones and guests of the pool, two at a time: each ends as it would in a guest that booted for it, and in the end the
daemon is as it was."""

import collections
import concurrent.futures
import queue
import threading
import time
import unittest

import ktstr_test as kt

JOB = "io.ktstrd.Job."
POOL = "io.ktstrd.Pool."
SHELL = "io.ktstrd.Shell.Open"
TOPOLOGY = "1n1l1c1t"

AT_A_TIME = 2
WARM_UP = 40

# How many, and what of; each is done once in a guest that boots, to know what it comes to.
SHELLS = {
    "exit 0": 140,
    "exit 7": 30,
    "kill -9 $$": 20,
    "echo out; echo err >&2": 40,
    "seq 1 20000": 30,
    "cat /sys/kernel/sched_ext/state; ls /tmp /include-files; echo x >/tmp/left": 20,
    "for i in 1 2 3 4 5 6 7 8; do sleep 0.1 & done; wait; exit 3": 20,
}
SCHEDULERS = {
    (): 6,
    ("--crash-after", "1"): 3,
    ("--exit-after", "1", "--exit-code", "9"): 3,
    ("--fail-verify",): 3,
}


def shell(command):
    return SHELL, {"command": command, "topology": TOPOLOGY}


def run(args):
    return JOB + "Submit", {"scheduler": {"name": "scx_ktstr", "path": str(kt.SCX_KTSTR), "args": list(args)}, "topology": TOPOLOGY,
                            # What goes wrong after a second ends it there.
                            "duration_ms": 10000 if args else 1500, "checks": kt.UNTIMED_CHECKS}


class Soak(unittest.TestCase):
    def setUp(self):
        self.daemon = kt.GuestDaemon()
        self.enterContext(self.daemon)
        self.sources = collections.Counter()

    @staticmethod
    def result(daemon, method, parameters):
        """What matters of it, and where its guest came from."""
        out = []
        with daemon.connect() as wire:
            wire.send(method, parameters, more=True)
            while True:
                reply = wire.receive()
                if "error" in reply:
                    return reply, None
                event = reply["parameters"].get("event", {})
                if event.get("stream") in ("stdout", "stderr"):
                    out.append((event["stream"], event["text"]))
                if not reply.get("continues"):
                    break
        verdict, sched = event["verdict"], event["verdict"].get("scheduler", {})
        said = tuple("".join(text for stream, text in out if stream == which) for which in ("stdout", "stderr"))
        return (verdict["verdict"], verdict.get("exit_code"), verdict.get("exit_signal"), said, verdict.get("error"), sched.get("outcome"),
                sched.get("ops"), sched.get("exit_kind"), sched.get("exit_code"), sched.get("exit_signal")), verdict["guest"]["source"]

    def expected(self):
        """By guests that boot."""
        with kt.GuestDaemon(templates=False) as cold:
            with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
                ends = {kind: pool.submit(self.result, cold, *job) for kind, job in self.kinds().items()}
            return {kind: end.result()[0] for kind, end in ends.items()}

    @staticmethod
    def kinds():
        return {**{command: shell(command) for command in SHELLS}, **{args: run(args) for args in SCHEDULERS}}

    def work(self, todo, expected, wrong):
        kinds = self.kinds()
        while not wrong:
            try:
                kind = todo.get_nowait()
            except queue.Empty:
                return
            result, source = self.result(self.daemon, *kinds[kind])
            self.sources[source] += 1
            if result != expected[kind]:
                wrong.append((kind, source, result, expected[kind]))

    def do(self, todo, expected):
        wrong, jobs = [], queue.Queue()
        for kind in todo:
            jobs.put(kind)
        threads = [threading.Thread(target=self.work, args=(jobs, expected, wrong)) for _ in range(AT_A_TIME)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def status(self):
        return self.daemon.call("io.ktstrd.Daemon.Status")["parameters"]

    def rest(self):
        """Until nothing is under way, nor ready."""
        self.daemon.call(POOL + "Drop")
        kt.wait_until(lambda: not self.daemon.children() and not self.daemon.call(POOL + "List")["parameters"]["shapes"],
                      "the pool to be empty")
        kt.wait_until(lambda: self.status()["connections"] == 1, "the connections to be closed")

    def test_all_end_as_they_should_and_nothing_is_left(self):
        expected = self.expected()
        counts = {**SHELLS, **SCHEDULERS}
        # Of each kind some early, some late: the rarest are spread over the whole.
        order = sorted((i / n, str(kind), kind) for kind, n in counts.items() for i in range(n))
        order = [kind for _, _, kind in order]
        self.assertNotIn("error", self.daemon.call(POOL + "Prime", topology=TOPOLOGY))
        started = time.monotonic()
        self.do(order[:WARM_UP], expected)
        self.rest()
        descriptors, rss = self.daemon.descriptors(), self.status()["rss_bytes"]
        self.do(order[WARM_UP:], expected)
        took = time.monotonic() - started
        self.rest()
        status = self.status()
        print(f"{len(order)} jobs in {took:.0f} s: {dict(self.sources)}; RSS {rss >> 10} KiB, then {status['rss_bytes'] >> 10} KiB",
              flush=True)
        kt.wait_until(lambda: self.daemon.descriptors() <= descriptors, "descriptors to be closed")
        # What the jobs printed is kept for a while, and that of 256 jobs at most.
        self.assertLess(status["rss_bytes"], rss + (8 << 20))
        # There was a template from the beginning.
        self.assertEqual(self.sources["cold"], 0)
        self.assertGreater(self.sources["pool"], 0)
        self.assertEqual((status["jobs_running"], status["jobs_queued"], status["jobs_ended"]), (0, 0, len(order)))
        # It leaves with a full pool, and the pool with it.
        self.assertNotIn("error", self.daemon.call(POOL + "Prime", topology=TOPOLOGY))
        self.assertEqual(len(self.daemon.children()), 2)


if __name__ == "__main__":
    kt.main()
