# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the pool share: a daemon whose guests are a fake QEMU, and what it says of them."""

import unittest

import kernel_files
import ktstr_test as kt
import openmetrics

DAEMON = "io.ktstrd.Daemon."
JOB = "io.ktstrd.Job."
KERNEL = "6.18.1-test-img-x86_64"
POOL = "io.ktstrd.Pool."
BACKGROUND_NICE = 10
SHAPE = f"{KERNEL}/1n1l2c1t/256M/tcg"
# How a verdict tells that its job had another guest first.
DETOUR = "failed before it had the job, which got another guest"


def new_daemon(*options, **kwargs):
    return kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", *options, fake="ok", templates=True, **kwargs)


def import_kernel(daemon):
    image = daemon.dir / "vmlinux"
    image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
    result = daemon.ctl("kernel", "import", image)
    if result.status != 0:
        raise AssertionError(result)


class Base(unittest.TestCase):
    """A daemon with a kernel, and no guests yet."""

    def setUp(self):
        self.daemon = self.new_daemon()
        import_kernel(self.daemon)

    def new_daemon(self, *options, **kwargs):
        daemon = new_daemon(*options, **kwargs)
        self.enterContext(daemon)
        return daemon

    def restart(self, *options, conf=None):
        """The same daemon with other options."""
        self.daemon.stop()
        self.daemon.options += options
        if conf:
            (self.daemon.dir / "conf").write_text(conf)
            self.daemon.options += ["--config", self.daemon.dir / "conf"]
        self.daemon.start()

    # --- what the daemon says ---

    def list(self, daemon=None):
        return (daemon or self.daemon).call(POOL + "List")["parameters"]

    def shapes(self, daemon=None):
        return self.list(daemon)["shapes"]

    def shape(self, daemon=None):
        """The only one."""
        shapes = self.shapes(daemon)
        self.assertEqual(len(shapes), 1, shapes)
        return shapes[0]

    def status(self, daemon=None):
        return (daemon or self.daemon).call(DAEMON + "Status")["parameters"]

    def metrics(self):
        return openmetrics.read(self.daemon.call(DAEMON + "Metrics")["parameters"]["text"])

    def builds(self, result="built"):
        return self.metrics()["ktstrd_template_builds"].value("_total", result=result)

    def wait_for(self, daemon=None, **what):
        """Until the only shape has these values."""
        kt.wait_until(lambda: [s for s in self.shapes(daemon) if what.items() <= s.items()], f"a shape with {what}")

    def failed(self):
        """The only shape once its template has failed and is not yet tried again, and how many were counted as failed by then."""
        seen = []

        def look():
            failed, shape = self.builds("failed"), self.shape()
            seen[:] = shape, failed
            return shape["template"] == "failed" and shape.get("retry_ms") and self.builds("failed") == failed
        kt.wait_until(look, "the template to have failed")
        return seen

    def making(self, what):
        """Until it is being made: a template, or clones (how many at a time depends on the host)."""
        kt.wait_until(lambda: [s for s in self.shapes() if s["template"] == "building" or (what == "clones" and s["building"] > 0)],
                      f"the {what} to be begun")

    def ready(self, idle=2, daemon=None):
        self.wait_for(daemon, template="ready", idle=idle, building=0)

    def empty(self):
        """Nothing of the pool is left but its templates."""
        kt.wait_until(lambda: not self.shapes() and not self.daemon.children(), "the pool to be empty")

    def drafts(self):
        return list(self.daemon.template_dir.glob(".tmp-*"))

    def template(self):
        """The folder of the only one."""
        folders = [p for p in self.daemon.template_dir.iterdir() if not p.name.startswith(".")]
        self.assertEqual(len(folders), 1, folders)
        return folders[0]

    # --- what is asked of it ---

    def prime(self, script="ok", idle=2):
        """Fresh guests that play this, and nothing left of those before."""
        self.daemon.call(POOL + "Drop")
        self.empty()
        self.daemon.play(script)
        reply = self.daemon.call(POOL + "Prime", idle=idle)
        self.assertNotIn("error", reply)
        self.ready(max(idle, 2))

    def submit(self, *args, daemon=None):
        return (daemon or self.daemon).ctl("submit", "--json", "--duration", "1s", *args)

    def served(self, source, *args, daemon=None):
        """A job that passes on a guest of this source; its verdict."""
        result = self.submit(*args, daemon=daemon)
        self.assertEqual(result.status, 0, result)
        verdict = result.verdict()
        self.assertEqual((verdict["verdict"], verdict["guest"]["source"]), ("pass", source), result)
        return verdict

    def start(self, kind, state=None, daemon=None, **parameters):
        """A connection whose job has got as far as this event."""
        wire = (daemon or self.daemon).connect()
        self.addCleanup(wire.socket.close)
        wire.send(JOB + "Submit", parameters, more=True)
        while True:
            reply = wire.receive()
            self.assertNotIn("error", reply)
            event = reply["parameters"].get("event", {})
            if event.get("kind") == kind and (state is None or event.get("state") == state):
                return wire, reply["parameters"]["job"]

    def ended(self, job):
        def show():
            return self.daemon.call(JOB + "Show", job=job)["parameters"]
        kt.wait_until(lambda: show()["job"]["state"] == "ended", "the verdict")
        return show()["verdict"]
