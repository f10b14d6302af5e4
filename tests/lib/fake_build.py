#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A ktstrd-build that follows a script (proto/buildmsg.h): what it does for a real build in minutes it does at once, and it does wrong what a
helper can do wrong. FAKE_BUILD_SCRIPT is a folder; `script` in it has one command a line, and each run leaves `run-N/` there with the
request, the environment and what it was told.

  stage NAME [MESSAGE] · progress DONE TOTAL [UNIT [FILE]] · warning TEXT · note TEXT · log TEXT · say RAW
  plan [JSON members over the defaults] · result [the same] · error NAME MESSAGE | DETAIL | …
  hold NAME        until the folder has a file release-NAME; it makes held-NAME
  exit STATUS · signal NUMBER · deaf (ignores SIGTERM) · child (a process of its own that stays) · escape
                   (one that leaves the session too) · stderr TEXT
  log-lines N · flood (bytes without a newline, until somebody stops it) · spam N (progress, as fast as it can)
"""

import contextlib
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

FOLDER = pathlib.Path(os.environ["FAKE_BUILD_SCRIPT"])
HASH = "0123456789abcdef0123456789abcdef01234567"


def say(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def over(defaults, text):
    members = {**defaults, **(json.loads(text) if text else {})}
    return {k: v for k, v in members.items() if v is not None}


class Run:
    def __init__(self, request):
        self.request = request
        self.kind = request["source"]["kind"]
        self.work = pathlib.Path(request["work"])
        self.tree = pathlib.Path(request["source"]["path"]) if self.kind == "tree" else self.work / "linux"

    def plan(self, text):
        version = self.request["source"].get("version") or "6.14.2"
        source = {"git": "git", "tree": "local"}.get(self.kind, "tarball")
        plan = {"source": source, "version": version, "name": f"linux-{version}.tar.xz", "cacheable": True}
        if source == "git":
            plan.update(name="linux", url=self.request["source"]["url"], ref=self.request["source"]["ref"], git_hash=HASH)
        if source == "local":
            plan.update(name=str(self.tree), tree_path=str(self.tree), git_hash=HASH)
        say({"plan": over(plan, text)})
        word = sys.stdin.readline().strip()
        (self.dir / "told").write_text(word)
        if word != "go":
            sys.exit(0)

    def result(self, text):
        image = os.environ.get("FAKE_BUILD_IMAGE")
        if image:
            self.tree.mkdir(exist_ok=True)
            (self.tree / "vmlinux").write_bytes(pathlib.Path(image).read_bytes())
            config = pathlib.Path(image).parent / "config"
            (self.tree / ".config").write_bytes(config.read_bytes() if config.exists() else b"CONFIG_SCHED_CLASS_EXT=y\n")
        say({"result": over({"tree": str(self.tree), "config_hash": "89abcdef", "version": "6.14.2", "release": "6.14.2", "cacheable": True,
                             "objects": 1234}, text)})

    def command(self, line):
        name, _, rest = line.partition(" ")
        words = rest.split()
        if name in ("plan", "result"):
            getattr(self, name)(rest)
        elif name == "stage":
            say({"stage": words[0], **({"message": rest.partition(" ")[2]} if len(words) > 1 else {})})
        elif name == "progress":
            say({"progress": {"done": int(words[0]), "total": int(words[1]), "unit": words[2] if len(words) > 2 else "objects",
                              **({"file": words[3]} if len(words) > 3 else {})}})
        elif name in ("warning", "note"):
            say({name: rest})
        elif name == "log":
            say({"log": rest + "\n"})
        elif name == "log-lines":
            for i in range(int(words[0])):
                say({"log": f"  CC      drivers/net/file{i}.o\n"})
        elif name == "spam":
            for i in range(int(words[0])):
                say({"progress": {"done": i, "total": int(words[0]), "unit": "bytes"}})
        elif name == "error":
            message, *details = rest.partition(" ")[2].split(" | ")
            say({"error": {"name": words[0], "message": message, "details": details}})
            sys.exit(1)
        elif name == "say":
            sys.stdout.buffer.write(rest.encode() + b"\n")
            sys.stdout.buffer.flush()
        elif name == "flood":
            while True:
                os.write(1, b"x" * 65536)
        elif name == "hold":
            (FOLDER / f"held-{words[0]}").write_text(str(os.getpid()))
            while not (FOLDER / f"release-{words[0]}").exists():
                time.sleep(0.01)
        elif name == "touch":
            (self.work / words[0]).write_text("here")
        elif name == "need":
            if not (self.work / words[0]).exists():
                raise SystemExit(f"{words[0]} is not in {self.work}")
        elif name == "read":
            (self.dir / "tarball").write_bytes(pathlib.Path(self.request["source"]["path"]).read_bytes())
        elif name == "stderr":
            print(rest, file=sys.stderr, flush=True)
        elif name == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        elif name == "child":
            # With the lock that it inherited, as what the real one starts has it.
            child = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[3])
            (self.dir / "child").write_text(str(child.pid))
        elif name == "escape":
            child = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     start_new_session=True)
            (FOLDER / "escaped").write_text(str(child.pid))
        elif name == "exit":
            sys.exit(int(words[0]))
        elif name == "signal":
            os.kill(os.getpid(), int(words[0]))
        else:
            raise SystemExit(f"fake_build: what is {line!r}?")

    def run(self):
        # Two daemons may have one each at a time.
        for n in itertools.count():
            self.dir = FOLDER / f"run-{n}"
            with contextlib.suppress(FileExistsError):
                self.dir.mkdir()
                break
        stat = pathlib.Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
        (self.dir / "request").write_text(json.dumps(self.request))
        (self.dir / "about").write_text(json.dumps({"argv": sys.argv, "pid": os.getpid(), "uid": os.getuid(), "groups": os.getgroups(),
                                                    "nice": os.nice(0), "policy": os.sched_getscheduler(0), "environ": dict(os.environ),
                                                    "session": int(stat[3])}))
        for line in (FOLDER / "script").read_text().splitlines():
            if line.strip():
                self.command(line.strip())


if __name__ == "__main__":
    if sys.argv[1] != "build":
        # What it is asked for need not be there, only readable for whoever it runs as.
        json.loads(pathlib.Path(sys.argv[2]).read_text())
        (FOLDER / f"user-of-{sys.argv[1]}").write_text(str(os.getuid()))
        say({"error": {"name": "io.ktstrd.Kernel.DownloadFailed", "message": "nothing is there", "details": []}})
        sys.exit(1)
    Run(json.loads(pathlib.Path(sys.argv[2]).read_text())).run()
