# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest from nothing and from what is ready, beside what others take for it, on the same kernel."""

import contextlib

from lib.bench import Job, QemuByHand, Vng
from lib.report import AT_MOST, Target

ABOUT = "cold boots, a clone and a pool hit beside plain QEMU and virtme-ng"

# Of these a round has many, so that the whole does not wait for the slow ones only.
QUICK = 5


def measure_cold(bench):
    """Debian's cloud kernel: ours against the same QEMU by hand, which is the least that it can be."""
    subject = "boot, cloud kernel"
    by_hand = bench.figure("plain QEMU, start to the agent's first word", "ms", subject=subject)
    ours = bench.figure("cold boot, start to the agent's first word", "ms", [Target("median", AT_MOST, 2000)], subject=subject)
    agent = bench.figure("cold boot, the guest alone", "ms", subject=subject)
    whole = bench.figure("cold boot, ktstrctl shell --exec true", "ms", subject=subject)

    with bench.daemon("cloud", *bench.cold()) as daemon, daemon.connect() as wire:
        Job(wire)  # makes the initramfs, which later ones find
        qemu = QemuByHand(daemon)

        def cold():
            job = Job(wire)
            ours.add(job.server_to_running)
            agent.add(job.boot)

        bench.interleave([(lambda: by_hand.add(qemu.boot()), 1), (cold, 1), (lambda: whole.add(daemon.shell_process()), 1)])


class Ours:
    """`ktstrctl shell --exec true` from a clone or from the pool, with its daemon."""

    def __init__(self, bench, stack, figure, *options):
        bench.need_pool()
        self.figure = figure
        self.daemon = stack.enter_context(bench.daemon("full", *options))

    def clone(self):
        self.figure.add(self.daemon.shell_process())

    def hit(self):
        self.daemon.wait_for_pool(1)
        self.figure.add(self.daemon.shell_process())


def wait_for_template(daemon):
    """Until a job meets a template: its guest then takes a fraction of the first one's time."""
    with daemon.connect() as wire:
        cold = Job(wire).server_to_running
        for _ in range(100):
            daemon.wait_for_pool(0)
            if Job(wire).server_to_running < cold / 3:
                return
    raise RuntimeError("a hundred jobs, and no guest was cloned")


def compare(bench):
    """Debian's full kernel, since virtme-ng needs one: whole processes from their start to their end, all in turns."""
    subject = "boot, full kernel"
    vng = bench.figure("vng -- true", "ms", subject=subject)
    by_hand = bench.figure("plain QEMU, start to the agent's first word", "ms", subject=subject)
    cold = bench.figure("cold boot, ktstrctl shell --exec true", "ms", subject=subject)
    clone = bench.figure("clone, ktstrctl shell --exec true", "ms", subject=subject)
    hit = bench.figure("pool hit, ktstrctl shell --exec true", "ms", subject=subject)
    series = []

    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(bench.daemon("full", *bench.cold()))
        accelerator = daemon.accelerator()
        with daemon.connect() as wire:
            Job(wire)
        qemu = QemuByHand(daemon)
        with bench.part("virtme-ng"):
            other = Vng(bench.data / "vng", accelerator)
            series.append((lambda: vng.add(other.run()), 1))
        series += [(lambda: by_hand.add(qemu.boot()), 1), (lambda: cold.add(daemon.shell_process()), 1)]
        with bench.part("clone"):
            clones = Ours(bench, stack, clone, "--pool-max", "0")
            wait_for_template(clones.daemon)
            series.append((clones.clone, QUICK))
        with bench.part("pool hit"):
            pool = Ours(bench, stack, hit)
            pool.daemon.prime(1)
            series.append((pool.hit, QUICK))
        bench.interleave(series)

    bench.report.ratio(vng, cold)
    bench.report.ratio(vng, clone)
    bench.report.ratio(vng, hit, 300)
    bench.report.ratio(cold, clone)
    bench.report.ratio(cold, hit)


def run(bench):
    measure_cold(bench)
    compare(bench)
