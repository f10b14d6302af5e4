# SPDX-License-Identifier: LGPL-2.1-or-later
"""The man pages against the programs: what these have is in the pages, what is in the pages is so."""

import ast
import json
import math
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

import kernel_files
import ktstr_test as kt
import openmetrics

MAN = kt.SOURCE / "man"
EXAMPLES = MAN / "examples"
SERVICE = "org.varlink.service"

OPTION = re.compile(r"(?<![\w\-/.])(--[a-z][a-z-]*|-[a-zA-Z])(?![\w-])")
# Options of other programs that pages and helps mention.
FOREIGN = {"--user", "--now", "-u", "-r", "-c", "--ktstr-list"}
QUOTED = re.compile(r'"([A-Z][A-Z0-9_]+)"')


def plain(roff):
    """A line or text of roff as its reader sees it."""
    text = re.sub(r"\\f[A-Z]", "", roff)
    for sequence, char in ((r"\-", "-"), (r"\(aq", "'"), (r"\(ga", "`"), (r"\(ha", "^"), (r"\(ti", "~"), (r"\&", ""), (r"\ ", " "), (r"\e", "\\")):
        text = text.replace(sequence, char)
    return text


def words(line):
    """What a line puts on the page: macros of two fonts join their arguments, others have blanks between them."""
    macro, _, rest = line.partition(" ")
    if not macro.startswith("."):
        return plain(line)
    arguments = [quoted or word for quoted, word in re.findall(r'"([^"]*)"|(\S+)', rest)]
    return plain(("" if macro in (".BR", ".RB", ".BI", ".IB", ".IR", ".RI") else " ").join(arguments))


class Page:
    """Sections by heading ("EXIT STATUS", "COMMANDS/submit"), each with its text, the tags of its lists, and its displays."""

    def __init__(self, roff):
        self.text, self.tags, self.displays = {}, {}, {}
        section = place = ""
        lines = iter(roff.splitlines())
        for line in lines:
            macro = line.partition(" ")[0]
            if macro == ".SH":
                section = place = words(line)
            elif macro == ".SS":
                place = f"{section}/{words(line)}"
            elif macro == ".TP":
                line = next(lines)
                self.tags.setdefault(place, []).append(words(line))
            if macro == ".EX":
                display = []
                while (line := next(lines)) != ".EE":
                    display.append(plain(line))
                text = "\n".join(display)
                self.displays.setdefault(place, []).append(text)
            else:
                text = words(line)
            self.text[place] = self.text.get(place, "") + text + "\n"

    def all_text(self):
        return "\n".join(self.text.values())

    def options(self, place):
        """Those that are explained there."""
        return {o for tag in self.tags.get(place, []) for o in OPTION.findall(tag)}


def run(*argv):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=kt.PATIENCE_S, stdin=subprocess.DEVNULL)


def shown_options(program, *verb):
    result = run(program, *verb, "--help")
    if result.returncode != 0:
        raise AssertionError(f"{program} {verb} --help: {result.stderr}")
    return set(OPTION.findall(result.stdout)) - FOREIGN


def constant(path, name):
    """What a #define is worth."""
    text = re.search(rf"#define {name} ([^/\n]*)", (kt.SOURCE / path).read_text())[1].strip()
    return text.strip('"') if text.startswith('"') else eval(re.sub(r"(?<=\d)U?L*\b", "", text))


def make_protocol_page():
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder) / "page"
        files = sorted((kt.SOURCE / "proto").glob("*.varlink"))
        subprocess.run([sys.executable, MAN / "protocol_page.py", page, MAN / "ktstrd-protocol.7.in", EXAMPLES, *files], check=True)
        return Page(page.read_text())


def with_a_kernel(daemon):
    """Give a daemon a kernel, and the time to know its accelerators: what it can prime needs both. Returns the image."""
    image = daemon.dir / "vmlinux"
    image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
    result = daemon.ctl("kernel", "import", image)
    if result.status != 0:
        raise AssertionError(result)
    kt.wait_until(lambda: daemon.call("io.ktstrd.Daemon.Status")["parameters"]["accelerator"] != "being probed", "accelerators are known")
    return image


def environment_read_by(*folders):
    """Names of the variables that the sources there ask for, however they do it."""
    names = set()
    for folder in folders:
        for path in (kt.SOURCE / folder).glob("*.c"):
            for line in path.read_text().splitlines():
                if re.search(r"\b(getenv|env_xdg|env_nonempty|from_environment)\(", line):
                    names |= set(QUOTED.findall(line))
    return names


class Ktstrctl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.page = Page((MAN / "ktstrctl.1").read_text())
        overview = run(kt.KTSTRCTL, "--help").stdout
        cls.shown_verbs = set(re.findall(r"^  ([a-z-]+) {2,}\S", overview, re.M))
        cls.verbs = {place.removeprefix("COMMANDS/") for place in cls.page.text if place.startswith("COMMANDS/")}
        cls.shared = cls.page.options("OPTIONS/Of all verbs")
        cls.request = cls.page.options("OPTIONS/Of submit and shell")

    def explained(self, verb):
        return self.page.options(f"COMMANDS/{verb}") | self.shared | (self.request if verb in ("submit", "shell") else set())

    def takes(self, *argv):
        """Is this more than a usage error?"""
        return run(kt.KTSTRCTL, *argv).returncode == 0

    def test_the_verbs_are_those_of_the_program(self):
        self.assertGreater(len(self.shown_verbs), 5)
        self.assertLessEqual(self.shown_verbs, self.verbs)
        # A verb may be left out of the overview, but not of the program.
        for verb in self.verbs - {"help"}:
            with self.subTest(verb=verb):
                self.assertTrue(self.takes(verb, "--help"))
        self.assertTrue(self.takes("help"))
        self.assertFalse(self.takes("nosuchverb", "--help"))

    def test_every_option_that_a_help_shows_is_explained(self):
        for verb in self.verbs - {"help"}:
            with self.subTest(verb=verb):
                # "the kernel that a job with --kernel SPEC would get"
                of_submit = {"--kernel"} if verb == "kernel" else set()
                self.assertLessEqual(shown_options(kt.KTSTRCTL, verb) - of_submit, self.explained(verb))
        self.assertLessEqual(shown_options(kt.KTSTRCTL) - self.explained("submit"), self.shared)

    def test_every_option_that_is_explained_is_there(self):
        # The long form of what a help shows short, and what stands before the verb only.
        quiet = {"--verbose": ["--verbose"], "--include-files": ["--include-files", __file__]}
        before = {"--version": ["--version"], "-h": ["-h"]}
        for verb in self.verbs - {"help"}:
            for option in self.page.options(f"COMMANDS/{verb}") | (self.request if verb in ("submit", "shell") else set()):
                with self.subTest(verb=verb, option=option):
                    self.assertTrue(option in shown_options(kt.KTSTRCTL, verb) or
                                    option in quiet and self.takes(verb, *quiet[option], "--help"))
            self.assertFalse(self.takes(verb, "--nosuchoption", "--help"))
        for option in self.shared:
            with self.subTest(option=option):
                if option in before:
                    self.assertTrue(self.takes(*before[option]))
                else:
                    for verb in self.verbs - {"help"}:
                        value = ["/x"] if option == "--socket" else []
                        self.assertTrue(self.takes(verb, option, *value, "--help"), verb)
                        self.assertTrue(self.takes(option, *value, verb, "--help"), verb)

    def test_no_other_option_is_mentioned(self):
        known = set().union(*(self.explained(verb) for verb in self.verbs), shown_options(kt.KTSTRD))
        mentioned = set(OPTION.findall(re.sub(r" -- .*", "", self.page.all_text())))
        self.assertLessEqual(mentioned, known | FOREIGN)

    def test_the_verbs_of_verbs(self):
        for verb in ("kernel", "pool"):
            with self.subTest(verb=verb):
                usage = run(kt.KTSTRCTL, verb, "--help").stdout
                verbs = set(re.findall(rf"^ktstrctl {verb} (\w+)", usage, re.M))
                self.assertGreater(len(verbs), 2)
                self.assertEqual({tag.split()[1] for tag in self.page.tags[f"COMMANDS/{verb}"] if tag.startswith(f"{verb} ")}, verbs)
                self.assertEqual(set(re.findall(rf"^ktstrctl {verb} (\w+)", self.page.text["SYNOPSIS"], re.M)), verbs)

    def test_the_columns_of_the_pool(self):
        with kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", fake="ok", templates=True) as daemon:
            with_a_kernel(daemon)
            self.assertEqual(daemon.ctl("pool", "prime", "--idle", "1").status, 0)
            columns = daemon.ctl("pool").out.splitlines()[0].split()
        self.assertEqual(["SHAPE", *(tag for tag in self.page.tags["COMMANDS/pool"] if tag.isupper())], columns)

    def test_the_exit_statuses(self):
        header = (kt.SOURCE / "client/exit_status.h").read_text()
        statuses = set(re.findall(r"^ +EXIT_STATUS_\w+ = (\d+),", header, re.M))
        self.assertGreater(len(statuses), 5)
        self.assertEqual(set(self.page.tags["EXIT STATUS"]), statuses)
        self.assertIn("128+N", self.page.text["EXIT STATUS"])

    def test_the_environment(self):
        read = environment_read_by("client", "common") - {"JOURNAL_STREAM"}
        self.assertIn("KTSTRD_SOCKET", read)
        explained = {name for tag in self.page.tags["ENVIRONMENT"] for name in re.split(r"[, ]+", tag)}
        self.assertEqual(explained, read | {"KTSTR_SCHEDULER_BIN_NAME"})

    def test_outcomes_verdicts_and_checks(self):
        job = (kt.SOURCE / "proto/io.ktstrd.Job.varlink").read_text()
        outcomes = re.search(r"outcome: \((stopped[^)]*)\)", job)[1].split(", ")
        self.assertEqual(sorted(self.page.tags["THE SCHEDULER"]), sorted(outcomes))
        verdicts = re.search(r"\n +verdict: \((pass[^)]*error)\)", job)[1].split(", ")
        # Those that are on by default; the others are in ktstr-tests(7).
        source = (kt.SOURCE / "lib/thresholds.c").read_text()
        defaults = re.search(r"kt_checks_default.*?\{(.*?)\n\}", source, re.S)[1]
        checks = {check for field, check in re.findall(r'\{"(\w+)", "(\w+)",', source) if f".{field} =" in defaults}
        self.assertEqual(len(checks), 4)
        self.assertEqual(sorted(self.page.tags["VERDICTS"]), sorted({*verdicts, *checks}))
        for name in re.findall(r'{"\w+", "(\w+)", KT_THRESHOLD_', source):
            self.assertRegex(job, rf"\n +# .*\b{name}\b")
        for native, emulated, unit in (("2000", "3000", " ms"), ("15", "35", " percentage points")):
            self.assertIn(f"= emulated ? {emulated} : {native}", source)
            self.assertRegex(self.page.text["VERDICTS"], rf"{native}{unit}; under tcg, {emulated}\b")

    def test_defaults_and_bounds(self):
        text = " ".join(self.page.all_text().split())
        request, limits = "daemon/job_request.c", "proto/limits.h"
        self.assertIn(f"(default {constant(request, 'DEFAULT_DURATION_MS') // 1000}s; at most a day)", text)
        self.assertEqual(constant(limits, "KT_DURATION_MAX_MS"), 24 * 3600 * 1000)
        self.assertIn(f"1 to {constant(limits, 'KT_WORKERS_MAX')} (default {constant(request, 'DEFAULT_WORKERS')})", text)
        self.assertIn(f"Default: {constant(request, 'DEFAULT_TOPOLOGY')}.", text)
        self.assertIn(f"default: {constant(request, 'DEFAULT_TIMEOUT_MS') // 1000}s and the duration", text)
        self.assertIn(f"At least {constant(limits, 'KT_MEMORY_MIN_MIB')}, at most 80 %", text)
        self.assertIn(f"At most {constant(limits, 'KT_NODES_MAX')} nodes and "
                      f"{constant(limits, 'KT_CPUS_MAX')} vCPUs", text)
        self.assertIn(f"Default: {constant('daemon/topology.c', 'MEMORY_PER_CPU_MIB')} MiB a vCPU, and "
                      f"{constant('daemon/topology.c', 'MEMORY_MIN_MIB')} at least", text)
        self.assertIn(f"it has {constant('daemon/job_message.c', 'ATTACH_TIMEOUT_MS') // 1000} seconds", text)
        self.assertIn(f"takes {constant('client/rpc.h', 'RPC_FDS_MAX')} files", text)
        self.assertIn(f"the last {constant('daemon/job.c', 'JOBS_KEPT_MAX')} that have", text)

    def test_the_examples_are_commands(self):
        commands = [line.removeprefix("$ ") for place in ("DESCRIPTION", "COMMANDS/kernel", "EXAMPLES") for display in self.page.displays[place]
                    for line in display.replace("\n> ", " ").splitlines()]
        self.assertGreater(len(commands), 5)
        for command in commands:
            with self.subTest(command=command):
                call = re.search(r"ktstrctl (\w+)(.*)", command)
                self.assertIn(call[1], self.verbs)
                options = set(OPTION.findall(re.sub(r" -- .*|'[^']*'|\|\|.*", "", call[2])))
                self.assertLessEqual(options, self.explained(call[1]))


class Ktstrd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.page = Page((MAN / "ktstrd.8").read_text())

    def test_the_options_are_those_of_the_program(self):
        shown = shown_options(kt.KTSTRD)
        self.assertGreater(len(shown), 10)
        self.assertEqual(self.page.options("OPTIONS"), shown)

    def test_no_other_option_is_mentioned(self):
        self.assertLessEqual(set(OPTION.findall(self.page.all_text())), shown_options(kt.KTSTRD) | FOREIGN)

    def test_the_exit_statuses(self):
        self.assertEqual(set(self.page.tags["EXIT STATUS"]), {"0", "1", "64"})
        with tempfile.TemporaryDirectory() as folder:
            folders = [f"--{name}-dir={folder}/{name}" for name in ("cache", "state", "run")]
            self.assertEqual(run(kt.KTSTRD, "--version").returncode, 0)
            self.assertEqual(run(kt.KTSTRD, *folders, "--socket", f"{folder}/{'x' * 108}").returncode, 1)
            self.assertEqual(run(kt.KTSTRD, "--nosuchoption").returncode, 64)

    def test_the_environment(self):
        read = {name for name in environment_read_by("daemon", "common") if name != "PATH"}
        explained = {name for tag in self.page.tags["ENVIRONMENT"] for name in re.split(r"[, ]+", tag)}
        self.assertEqual(explained, read)

    def test_the_journals_fields(self):
        fields = set(re.findall(r'"([A-Z_]+)=%', (kt.SOURCE / "common/log.c").read_text())) - {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"}
        self.assertEqual(set(re.findall(r"\b([A-Z_]+)=[a-z0-9]", self.page.text["LOGGING"])), fields)

    def test_the_metrics(self):
        with kt.Daemon(fake="ok") as daemon:
            families = openmetrics.read(daemon.call("io.ktstrd.Daemon.Metrics")["parameters"]["text"])
        shown = []
        for family in families.values():
            labels = {label: {its[label] for _, its, _ in family.samples} for label in family.samples[0][1] if label != "le"}
            self.assertLessEqual(len(labels), 1, family.name)
            name = family.name + ("_total" if family.kind == "counter" else "")
            shown.append(f"{name} ({', '.join([family.kind, *labels])})")
            for label, values in labels.items():
                for value in values if label != "version" else ():
                    with self.subTest(family=family.name, value=value):
                        self.assertRegex(self.page.text["METRICS"], rf"\b{value}\b")
        self.assertEqual(sorted(self.page.tags["METRICS"]), sorted(shown))

    def test_numbers(self):
        text = " ".join(self.page.all_text().split())
        for path, pattern, sentence in (
                ("daemon/guest.c", r"BOOT_TIMEOUT_MS (\d+)000U", "It has {} seconds to come up"),
                ("daemon/guest.c", r"BOOT_TIMEOUT_PER_CPU_MS (\d+)000U", "under tcg {} more for each vCPU"),
                ("daemon/guest.c", r"CLONE_TIMEOUT_MS (\d+)000U", "A clone has {}, and"),
                ("daemon/guest.c", r"CLONE_TIMEOUT_PER_CPU_MS (\d+)000U", "and {} more for each vCPU, to wake"),
                ("daemon/template.c", r"SPARE_ROOM \(\(uint64_t\)(\d+) << 20\)", "and {} MiB have to be free"),
                ("daemon/template.h", r"TEMPLATE_KEEP_DAYS (\d+)", "not used for {} days"),
                ("daemon/kernel_download.h", r"KERNEL_DOWNLOAD_KEEP_DAYS (\d+)", "is kept for {} days"),
                ("daemon/template.h", r"TEMPLATES_MAX (\d+)U", "beyond the {} that were used last"),
                ("daemon/pool_policy.h", r"POOL_DEMAND_MIN ([\d.]+)", "below {} the shape is let go"),
                ("daemon/pool.h", r"POOL_PRESSURE_HOLD_MS (\d+)000U", "none are made for {} seconds"),
                ("daemon/config_keys.c", r'"QueueMax",[^"]*"(\d+)"', "At most {} jobs wait"),
                ("daemon/config_keys.c", r'"Guests", "MemoryMax",[^"]*"(\d+)%"', "{} % of the host's memory"),
                ("daemon/admission.h", r"ADMISSION_PASS_MS (\d+)000U", "for {} seconds from when its turn came"),
                ("daemon/kvmprobe.c", r"LOOP_SLOW_PS (\d+)000 ", "({} ns an instruction is too slow)"),
                ("daemon/port.h", r"PORT_BYTES_PER_SECOND \((\d+)ULL << 20\)", "at most {} MiB and"),
                ("daemon/port.h", r"PORT_FRAMES_PER_SECOND (\d+)ULL", "and {} frames a second"),
                ("daemon/console.h", r"CONSOLE_FILE_MAX \((\d+)ULL << 20\)", "The console is kept up to {} MiB"),
                ("daemon/config_keys.c", r'"Overcommit",.*"(\d+)"}', "up to {} (default"),
                ("daemon/config_keys.c", r'"Idle",[^"]*"(\d+)"', "each shape that is in demand (default: {})"),
                ("daemon/config_keys.c", r'"Maximum",[^"]*"(\d+)"', "kept ready in all (default: {})"),
                ("daemon/server.h", r"SERVER_CONNS_MAX (\d+)U", "{} connections"),
                ("daemon/server.h", r"SERVER_CONNS_PER_UID_MAX (\d+)U", "{} and 256 MiB for one user")):
            with self.subTest(sentence=sentence):
                number = re.search(pattern, (kt.SOURCE / path).read_text())
                self.assertIsNotNone(number, f"{pattern} is not in {path}")
                self.assertIn(sentence.format(number[1]), text)

    def test_numbers_in_words(self):
        text = " ".join(self.page.all_text().split())
        self.assertEqual(constant("daemon/pool.c", "COLD_STARTS_MAX"), 3)
        self.assertIn("of which three jobs had to boot", text)
        self.assertEqual(constant("daemon/pool.c", "CLONE_FAILURES_MAX"), 2)
        self.assertIn("of which two clones in a row did not wake", text)
        self.assertEqual(constant("daemon/pool_policy.c", "BACKOFF_FIRST_MS"), 1000)
        self.assertEqual(constant("daemon/pool_policy.c", "BACKOFF_MAX_MS"), 5 * 60 * 1000)
        self.assertIn("none is tried for a second, and for twice as long after each further failure in a row, up to five minutes", text)
        # Demand 1 that is halved in each KeepSec=, down to where a shape is let go.
        lasts = math.log2(1 / constant("daemon/pool_policy.h", "POOL_DEMAND_MIN"))
        self.assertIn(f"kept for {lasts:.1f} times KeepSec=, which is {lasts * 10:.0f} minutes by default", text)
        self.assertIn(f"kept for {lasts:.1f} times as long", " ".join((MAN / "ktstrd.conf.5").read_text().split()))


class KtstrdConf(unittest.TestCase):
    """The page and the installed example, against what the program shows when there is no file."""

    @classmethod
    def setUpClass(cls):
        cls.page = Page((MAN / "ktstrd.conf.5").read_text())
        cls.example = (kt.SOURCE / "systemd/ktstrd.conf").read_text()
        cls.temp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temp.cleanup)
        cls.shown = cls.keys(cls.show("--config", ""))

    @classmethod
    def show(cls, *options):
        result = run(kt.KTSTRD, "--cache-dir=/c/kernels", "--state-dir=/s", *options, "--show-config")
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        # Those two are given so that it needs no home; what they are is no default.
        return re.sub(r"(?m)^(CacheDir|StateDir)=.*", r"\1=", result.stdout).replace("=/c/templates", "=")

    @staticmethod
    def keys(text):
        """[(section, key, value)] in their order."""
        found, section = [], None
        for line in text.splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif "=" in line and not line.startswith("# "):
                found.append((section, *line.split("=", 1)))
        return found

    def explained(self, section, key):
        """What the page says of it."""
        place = f"KEYS/[{section}]"
        lines = self.page.text[place].splitlines()
        start = lines.index(f"{key}=") + 1
        end = next((i for i in range(start, len(lines)) if lines[i] in self.page.tags[place]), len(lines))
        return " ".join(" ".join(lines[start:end]).split())

    def settle(self, text, *options):
        path = pathlib.Path(self.temp.name) / "f"
        path.write_text(text)
        return run(kt.KTSTRD, "--cache-dir=/c", "--state-dir=/s", "--config", path, *options, "--show-config")

    def test_the_keys_are_those_of_the_program(self):
        self.assertGreater(len(self.shown), 10)
        explained = [(place.removeprefix("KEYS/").strip("[]"), tag.removesuffix("=")) for place in self.page.tags if place.startswith("KEYS/")
                     for tag in self.page.tags[place]]
        self.assertEqual(explained, [(section, key) for section, key, _ in self.shown])

    def test_the_defaults(self):
        for section, key, value in self.shown:
            with self.subTest(section=section, key=key):
                if value:
                    self.assertRegex(self.explained(section, key), rf"Default: {re.escape(value)}\.( |$)")
                else:
                    self.assertRegex(self.explained(section, key), r"Default: |by default")

    def test_kinds_and_ranges(self):
        kinds = {"number": "A number", "size": "A size", "time": "A time", "part": "A part"}
        ranges = 0
        for section, key, _ in self.shown:
            with self.subTest(section=section, key=key):
                said = self.settle(f"[{section}]\n{key}=?\n").stderr
                text = self.explained(section, key)
                if found := re.search(r"is no (number|size|time|part) (from \S+ to \w+%?)", said):
                    ranges += 1
                    self.assertIn(f"{kinds[found[1]]} {found[2]}.", text)
                elif "is no URL" in said:
                    self.assertIn("A URL.", text)
                elif "neither yes nor no" in said:
                    self.assertIn("Yes or no.", text)
                elif "is none of" in said:
                    self.assertIn(re.search(r"none of (\w+, .*), \w+$", said)[1], text)
                else:
                    self.assertIn("no absolute path", said)
        self.assertGreater(ranges, 5)

    def test_the_options(self):
        shared = set()
        for section, key, _ in self.shown:
            found = re.findall(r"Option: (--[a-z-]+)\b", self.explained(section, key))
            for option in found:
                with self.subTest(option=option):
                    shared.add(option)
                    value = {"--no-templates": [], "--log-level": ["debug"]}.get(option, ["1"])
                    shown = self.settle("", option, *value).stdout
                    self.assertRegex(shown, rf"# {option}\n{key}=")
        self.assertGreater(len(shared), 5)
        self.assertLessEqual(shared, Page((MAN / "ktstrd.8").read_text()).options("OPTIONS"))
        # And none that sets a key is missing: they stand between the two in the program's table.
        source = (kt.SOURCE / "daemon/config.c").read_text()
        keyed = {f"--{name}" for name in re.findall(r'\{"([a-z-]+)", \w+, NULL, OPT_KEY \+', source)}
        self.assertEqual(shared, keyed | {"--idle-exit"})

    def test_no_other_option_is_mentioned(self):
        self.assertLessEqual(set(OPTION.findall(self.page.all_text())), shown_options(kt.KTSTRD) | FOREIGN)

    def test_the_displays_are_configurations(self):
        for display in self.page.displays["SYNTAX"][:1] + self.page.displays["EXAMPLES"]:
            with self.subTest(display=display):
                result = self.settle(display)
                self.assertEqual(result.returncode, 0, result.stderr)
        error = self.settle("#\n#\n#\n#\n[Pool]\n#\nIdel=1\n").stderr.partition("/f:")[2]
        self.assertEqual(error.strip(), self.page.displays["SYNTAX"][1].partition("ktstrd.conf:")[2])

    def test_numbers(self):
        text = " ".join(self.page.all_text().split())
        self.assertIn(f"a line has at most {constant('daemon/conf_file.h', 'CONF_LINE_MAX')} bytes", text)

    def test_the_folders_are_those_of_the_program(self):
        source = (kt.SOURCE / "daemon/config_files.c").read_text()
        name = re.search(r'#define NAME "(.*)"', source)[1]
        for folder in ("/etc", "/run", "/usr/lib"):
            self.assertIn(f"{folder}/{name}.d/*.conf", self.page.text["SYNOPSIS"])
        self.assertEqual(re.findall(r'"(/[a-z/]+)/" NAME', source), ["/run", "/usr/lib"])
        self.assertIn(f"~/.config/{name}", self.page.text["SYNOPSIS"])

    def test_the_example_has_every_key_at_its_default(self):
        commented = "\n".join(line for line in self.example.splitlines() if re.match(r"#\w+=|\[", line)).replace("#", "")
        self.assertEqual(self.keys(commented), self.shown)
        self.assertEqual(self.keys(re.sub(r"(?m)^#.*", "", self.example)), [], "as installed it sets nothing")
        # All of it is taken, and changes nothing.
        path = pathlib.Path(self.temp.name) / "example"
        path.write_text(commented)
        self.assertEqual(self.keys(self.show("--config", path)), self.shown)


class Tests(unittest.TestCase):
    """What authors go by, against the headers that they include."""

    @classmethod
    def setUpClass(cls):
        cls.page = Page((MAN / "ktstr-tests.7").read_text())
        cls.flat = " ".join(cls.page.all_text().split())
        include = kt.SOURCE / "lib/include"
        cls.headers = {p.name: p.read_text() for p in include.iterdir()}
        cls.declared = "".join(cls.headers.values())
        # Comments name what there is not, too.
        cls.code = re.sub(r"/\*.*?\*/", "", cls.declared, flags=re.S)

    def items(self, header):
        return re.findall(r'^X\((\w+), "([^"]+)", "([^"]+)"\)', self.headers[header], re.M)

    def tagged(self, place, tag):
        """The words under a tag of a list."""
        text = re.search(rf"^{re.escape(tag)}\n(.*?)(?=^\.TP|\Z)", self.page.text[place], re.M | re.S)
        self.assertIsNotNone(text, (place, tag))
        return " ".join(text[1].split())

    def fields(self, struct):
        """Names of the members of a struct, or of a macro that has members."""
        body = re.search(rf"(?:\bstruct {struct} \{{(.*?)\n\}};|#define {struct}\b((?:.*\\\n)*.*))", self.code, re.S if struct[0] == "k" else 0)
        members = re.sub(r"union \{.*\}", "", (body[1] or body[2]).replace("\\\n", "\n"), flags=re.S)
        return {name for member in members.split(";") if "(" not in member for name in re.findall(r"(\w+)(?=,|$)", member.strip())}

    def test_every_scenario_is_there_with_its_line(self):
        for _, name, summary in self.items("scenarios.h"):
            place = "SCENARIOS/" + ("Custom" if name.startswith("custom_") else "Canned")
            with self.subTest(scenario=name):
                self.assertTrue(self.tagged(place, name).startswith(summary[0].upper() + summary[1:]), name)
        shown = self.page.tags["SCENARIOS/Canned"] + self.page.tags["SCENARIOS/Custom"]
        self.assertEqual(shown, [name for _, name, _ in self.items("scenarios.h")])

    def test_every_work_type_is_there_with_its_parameters(self):
        sources = "".join(p.read_text() for p in sorted((kt.SOURCE / "lib/work").glob("*.c")))
        cache = re.search(r"#define CACHE_PARAMS\b((?:.*\\\n)*.*)", sources)[1]
        sources = sources.replace(".params = CACHE_PARAMS", ".params = " + cache)
        for _, name, summary in self.items("work_types.h"):
            with self.subTest(work=name):
                if name == "Sequence":
                    self.assertRegex(self.flat, r"Sequence: ktstr_sequence\(")
                    continue
                definition = re.search(rf'\.name = "{name}"(.*?);\n', sources, re.S)[1]
                parameters = re.findall(r'\{\W*"(\w+)", (\d+),', definition)
                tag = next(t for t in self.page.tags["WORK TYPES"] if t.startswith(f"{name}:"))
                constructor, shown = re.fullmatch(rf"{name}:  (ktstr_\w+)\((.*)\)", tag).groups()
                self.assertIn(constructor.removeprefix("ktstr_"), self.declared)
                self.assertEqual([p for p in shown.split(", ") if p], [p for p, _ in parameters])
                text = self.tagged("WORK TYPES", tag)
                self.assertTrue(text.startswith(summary[0].upper() + summary[1:]), text)
                if parameters:
                    self.assertIn(f"Default: {', '.join(preset for _, preset in parameters)}.", text)
        self.assertEqual([t.split(":")[0] for t in self.page.tags["WORK TYPES"]], [name for _, name, _ in self.items("work_types.h")] + ["Custom"])

    def test_every_field_of_a_declaration_is_there(self):
        tags = {word for tags in self.page.tags.values() for tag in tags for word in re.findall(r"\.(\w+)", tag)}
        in_text = set(re.findall(r"\.(\w+)", self.flat))
        for struct, found in (("ktstr_scheduler", tags), ("ktstr_test", tags), ("ktstr_cgroup", tags), ("KTSTR_CHECK_FIELDS", tags),
                              ("KTSTR_CONSTRAINT_FIELDS", tags), ("ktstr_topology", tags), ("ktstr_payload", in_text), ("ktstr_metric_def", in_text), ("ktstr_map_write", in_text)):
            fields = self.fields(struct) - {"file", "line", "ident", "func", "works", "n_works", "struct", "constraints_", "args", "name", "binary"}
            self.assertGreater(len(fields), 3, struct)
            for field in fields:
                with self.subTest(struct=struct, field=field):
                    self.assertIn(field, found)

    def test_every_function_and_macro_is_there(self):
        shown = set(re.findall(r"\b(?:ktstr|KTSTR)_\w+", self.flat))
        functions = set(re.findall(r"\b(ktstr_(?!scenario_|custom_)\w+)\(", self.code)) | {"ktstr_custom"}
        macros = set(re.findall(r"\b(KTSTR_\w*[A-Z0-9])\b", self.code)) - set(re.findall(r"\b(KTSTR_(?:WORK|OP|CPUSET)_\w+)", self.code))
        # Said in other words, or not for authors.
        inner = {"ktstr_sequence_of", "KTSTR_UNSET", "KTSTR_CPUS_MAX", "KTSTR_CHECK_FIELDS", "KTSTR_CONSTRAINT_FIELDS", "KTSTR_POLICY_NORMAL"}
        inner |= {m for m in macros if m.endswith("_UNSET") or m.startswith("KTSTR_POLICY_")}
        self.assertGreater(len(functions), 50)
        for name in sorted((functions | macros) - inner):
            with self.subTest(name=name):
                self.assertIn(name, shown)

    def test_nothing_else_is_named(self):
        known = self.declared + "".join(f" ktstr_{function}" for function, _, _ in self.items("scenarios.h"))
        for name in set(re.findall(r"\b(?:ktstr|KTSTR)_\w*\w", self.flat)) - {"ktstr_scenario_", "ktstr_"}:
            with self.subTest(name=name):
                self.assertTrue(re.search(rf"\b{name}\b", known) or f"({name.removeprefix('ktstr_')}," in known, name)

    def test_every_check_is_there_with_its_default_and_its_words(self):
        table = (kt.SOURCE / "lib/thresholds.c").read_text()
        names = re.findall(r'^        \{"(\w+)",', table, re.M)
        shown = [word for tag in self.page.tags["CHECKS"] for word in re.findall(r"\.(\w+)", tag)]
        self.assertEqual(shown, names)
        defaults = re.search(r"kt_checks_default.*?\{(.*?)\n\}", table, re.S)[1]
        for name, value in re.findall(r"\.(\w+) = ([^,]+),", defaults):
            with self.subTest(check=name):
                tag = next(t for t in self.page.tags["CHECKS"] if re.search(rf"\.{name}\b", t))
                numbers = ["on"] if value == "KTSTR_ON" else re.findall(r"\d+", value)
                for number in numbers:
                    self.assertRegex(self.tagged("CHECKS", tag), rf"(Default:|under tcg,|and) [\d and]*{number}\b")
        # What a miss says, as the code would.
        source = "".join(p.read_text() for p in sorted((kt.SOURCE / "lib").glob("check*.c")))
        said = [re.escape("".join(re.findall(r'"([^"]*)"', text))) for text in re.findall(r'check_say\w*\([^;"]*((?:"[^"]*"\s*)+)', source)]
        said += [re.escape("".join(re.findall(r'"([^"]*)"', text))) for text in re.findall(r'"%s %\.4f %s %\.4f[^;]*?(?="(?=,))"', source)]
        formats = [re.sub(r"%[\d.\\]*(lld|llu|zu|s|f|u)", ".+", s).replace("%%", "%") for s in said]
        formats.append(r".+ \d+\.\d{4} (below floor|exceeds limit) \d+\.\d{4} \(.+, \d+ of \d+ pages\)")
        self.assertGreater(len(formats), 10)
        displays = self.page.displays["CHECKS"]
        self.assertEqual(len(displays), 13)
        for display in displays:
            with self.subTest(display=display):
                self.assertTrue(any(re.fullmatch(f, display) for f in formats), display)

    def test_the_examples_compile(self):
        scheduler = ""
        readme = re.findall(r"^```c\n(.*?)^```", (kt.SOURCE / "README.md").read_text(), re.M | re.S)
        self.assertTrue(readme)
        for displays in (readme, *(self.page.displays[place] for place in ("SYNOPSIS", "PAYLOADS", "EXAMPLES"))):
            for display in displays:
                if display.startswith("$"):
                    continue
                with self.subTest(display=display):
                    text = display.replace("#include <ktstr.h>", "")
                    if "KTSTR_SCHEDULER(" in text:
                        scheduler = "KTSTR_SCHEDULER_EXTERN(my_sched);"
                    else:
                        text = f"{scheduler}\n{text}"
                    result = subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-const-variable", "-Wno-unused-variable",
                                             "-fsyntax-only", "-x", "c", f"-I{kt.SOURCE / 'lib/include'}", "-"],
                                            input=f"#include <ktstr.h>\n{text}\n", capture_output=True, text=True)
                    self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(scheduler)

    def test_options_and_environment_are_those_of_the_program(self):
        source = (kt.SOURCE / "lib/program/ktstr_main.c").read_text()
        self.assertEqual(self.page.tags["ENVIRONMENT"], re.findall(r'getenv\("(\w+)"\)', source))
        for constant_name in ("KT_LIST_OPTION", "KT_BODY_OPTION"):
            self.assertIn(constant("proto/bodymsg.h", constant_name), self.page.options("THE PROGRAM"))
        self.assertIn(constant("lib/program/ktstr_main.c", "STATUS_UNAVAILABLE"), (69,))
        self.assertIn("69", self.page.text["EXIT STATUS"])


class Protocol(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.page = make_protocol_page()
        plays = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (plays / "script").write_text("stage resolve\nplan\nresult\n")
        cls.daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", "--builder", kt.SOURCE / "tests/lib/fake_build.py", fake="ok",
                               templates=True, env={"FAKE_BUILD_SCRIPT": str(plays), "FAKE_BUILD_IMAGE": str(plays / "image")})
        cls.enterClassContext(cls.daemon)
        cls.image = with_a_kernel(cls.daemon)
        (plays / "image").write_bytes(cls.image.read_bytes())

    def served(self):
        """Interface name to its text, as the daemon has them."""
        names = self.daemon.call(f"{SERVICE}.GetInfo")["parameters"]["interfaces"]
        return {name: self.daemon.call(f"{SERVICE}.GetInterfaceDescription", interface=name)["parameters"]["description"]
                for name in names}

    def documented(self, interface):
        return {tag for tag in self.page.tags.get(f"REFERENCE/{interface}", []) if re.match(r"(type|method|error) ", tag)}

    def test_the_interfaces_are_all_there_and_no_others(self):
        served = self.served()
        self.assertEqual({place for place in self.page.text if place.startswith("REFERENCE/")}, {f"REFERENCE/{name}" for name in served})
        for name in served:
            with self.subTest(interface=name):
                self.assertIn(name, self.page.text["DESCRIPTION"])

    def test_methods_types_and_errors_are_those_that_are_served(self):
        for interface, text in self.served().items():
            with self.subTest(interface=interface):
                members = {" ".join(found) for found in re.findall(r"^(type|method|error) +(\w+)", text, re.M)}
                self.assertTrue(members)
                self.assertEqual(self.documented(interface), members)

    def test_every_field_is_there_with_its_words(self):
        for interface, text in self.served().items():
            page = self.page.text[f"REFERENCE/{interface}"]
            flat = " ".join(page.split())
            code = re.sub(r"#.*", "", text)
            for field in set(re.findall(r"(\w+):", code)):
                with self.subTest(interface=interface, field=field):
                    self.assertRegex(page, rf"\b{field}\b")
            for enum in re.findall(r"\((\w+(?:, \w+)+)\)", code):
                with self.subTest(interface=interface, enum=enum):
                    self.assertIn(enum, flat)
            for comment in re.findall(r"# *(.*)", text):
                with self.subTest(interface=interface, comment=comment):
                    comment = comment.replace("`", "").replace("…", "...").replace(" · ", "; ").rstrip(" ·")
                    self.assertIn(" ".join(comment.split()), flat)

    def test_every_method_is_implemented(self):
        for interface in self.served():
            for member in self.documented(interface):
                kind, name = member.split()
                if kind == "method":
                    with self.subTest(method=name):
                        # Refused for its parameters, that is after it was found and before it does anything.
                        reply = self.daemon.call(f"{interface}.{name}", no_such_field=1)
                        self.assertEqual(reply.get("error"), f"{SERVICE}.InvalidParameter", reply)

    def test_every_error_that_the_daemon_knows_is_there(self):
        names = re.findall(r'"((?:org|io)\.[\w.]+)\.(\w+)"', (kt.SOURCE / "proto/errors.h").read_text())
        self.assertGreater(len(names), 20)
        for interface, error in names:
            with self.subTest(error=error):
                self.assertIn(f"error {error}", self.documented(interface))

    def test_the_limits_are_those_of_the_code(self):
        def size(n):
            return f"{n >> 20} MiB" if n >= 1 << 20 else f"{n >> 10} KiB"

        limits = "proto/limits.h"
        for field, low, high in (("duration_ms", 1, constant(limits, "KT_DURATION_MAX_MS")), ("workers", 1, constant(limits, "KT_WORKERS_MAX")),
                                 ("memory_mib", constant(limits, "KT_MEMORY_MIN_MIB"), constant(limits, "KT_MEMORY_MAX_MIB")),
                                 ("cleanup_budget_ms", 1, constant(limits, "KT_DURATION_MAX_MS")),
                                 ("cpu_budget", 1, constant(limits, "KT_HOST_CPUS_MAX")),
                                 ("timeout_ms", 1, 2 * constant(limits, "KT_DURATION_MAX_MS"))):
            with self.subTest(field=field):
                self.assertRegex(self.page.text["JOBS"], rf"\b{field}\s(is )?from {low} to {high}\b")
                for value in (low - 1, high + 1):
                    reply = self.daemon.call("io.ktstrd.Job.Submit", **{field: value})
                    self.assertEqual(reply.get("error"), f"{SERVICE}.InvalidParameter", reply)

        for words, path, name in (("kargs have {} bytes together", "daemon/job_setting.c", "KARGS_BYTES_MAX"),
                                  ("at most {} sysctls", limits, "KT_SYSCTLS_MAX"),
                                  ("keys and values of {} bytes", limits, "KT_SYSCTL_BYTES_MAX"),
                                  ("of which at most {} are told", "lib/check.h", "KT_CHECK_MISSES_MAX"),
                                  ("what a test said, at most {};", "proto/bodymsg.h", "KT_BODY_MESSAGES_MAX"),
                                  ("Of events that the guest sends {} are told", "daemon/agent_event.h", "AGENT_EVENTS_MAX")):
            self.assertIn(words.format(constant(path, name)), " ".join(self.page.text["JOBS"].split()))

        self.assertIn(f"of the last {constant('daemon/queue.c', 'TELL_EACH_OF')} places", self.page.text["JOBS"])
        self.assertEqual(constant("daemon/queue.c", "TELL_INTERVAL_MS"), 1000)
        queue_max = re.search(r'"QueueMax",[^"]*"(\d+)"', (kt.SOURCE / "daemon/config_keys.c").read_text())[1]
        limits = [
            size(constant("proto/codec.h", "KT_WIRE_MESSAGE_MAX")), str(constant("proto/codec.h", "KT_WIRE_DEPTH_MAX")),
            str(constant("proto/json_scan.h", "KT_JSON_VALUES_MAX")), str(constant("daemon/conn.c", "CONN_FDS_MAX")),
            str(constant("daemon/server.h", "SERVER_CONNS_MAX")), str(constant("daemon/server.h", "SERVER_CONNS_PER_UID_MAX")),
            size(constant("daemon/server.h", "SERVER_BYTES_PER_UID_MAX")), size(constant("daemon/conn.c", "CONN_STREAM_BYTES")),
            size(constant("daemon/conn.c", "CONN_QUEUE_BYTES_MAX")), queue_max,
            str(constant("daemon/job.c", "JOBS_KEPT_MAX")), size(constant("daemon/job.c", "JOB_LOG_BYTES_MAX")),
        ]
        self.assertEqual(self.page.tags["LIMITS"], limits)
        self.assertIn(size(2 * constant("daemon/conn.c", "CONN_READ_SIZE")), self.page.text["LIMITS"])

    # --- examples ---

    def replies(self, message, end, fds=()):
        with self.daemon.connect() as wire:
            wire.send_raw(message + end, fds)
            while True:
                reply = json.loads(wire.receive_raw(end))
                yield reply
                if not reply.get("continues"):
                    return

    def descriptors(self, message):
        """One for each that the message names."""
        indexes = [int(i) for i in re.findall(r'_fd": *(\d+)', message)]
        self.assertEqual(sorted(indexes), list(range(len(indexes))))
        fds = [os.open(self.image, os.O_RDONLY) for _ in indexes]
        for fd in fds:
            self.addCleanup(os.close, fd)
        return fds

    def check_call(self, text, end, expected=None):
        last = None
        for last in self.replies(text.encode(), end, self.descriptors(text)):
            self.assertFalse(str(last.get("error", "")).startswith(SERVICE), last)
        self.assertEqual(last.get("error", "").rpartition(".")[2], expected or "", last)
        verdict = last["parameters"].get("event", {}).get("verdict")
        if verdict:
            self.assertEqual(verdict["verdict"], "pass", last)

    def test_the_examples_are_answered(self):
        examples = sorted(EXAMPLES.glob("*.json"))
        self.assertGreater(len(examples), 8)
        for path in examples:
            text = path.read_text()
            # attach-NoSuchJob: what a name says after its dash is what the answer has to be.
            expected = re.search(r"-([A-Z]\w+)$", path.stem)
            for end in (b"\0", b"\n"):
                with self.subTest(example=path.name, end=end):
                    self.check_call(text.strip(), end, expected and expected[1])

    def test_the_examples_are_on_the_page(self):
        shown = [json.loads(display) for display in self.page.displays["EXAMPLES"]]
        for path in EXAMPLES.glob("*.json"):
            with self.subTest(example=path.name):
                self.assertIn(json.loads(path.read_text()), shown)

    def test_the_messages_in_command_lines(self):
        lines = "\n".join(d for place in ("nc and jq", "varlinkctl") for d in self.page.displays[f"CLIENTS/{place}"]).splitlines()
        tried = 0
        for line in lines:
            with self.subTest(line=line):
                argv = shlex.split(line)
                if argv[0] == "echo":
                    self.check_call(argv[1], b"\n")
                elif "call" in argv:
                    method, parameters = argv[argv.index("call") + 2:]
                    self.check_call(json.dumps({"method": method, "parameters": json.loads(parameters), "more": "-E" in argv}), b"\0")
                else:
                    continue
                tried += 1
        self.assertGreaterEqual(tried, 4)

    def test_the_python_example_runs(self):
        text = (EXAMPLES / "submit.py").read_text()
        ast.parse(self.page.displays["CLIENTS/Python"][0])
        env = dict(os.environ, PYTHONPATH=os.environ["KTSTR_TEST_TOOLS"] + "/python")
        result = subprocess.run([sys.executable, "-c", text, str(self.daemon.socket)], env=env, capture_output=True, text=True,
                                timeout=kt.PATIENCE_S)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout.startswith("1 queued"), result.stdout)
        self.assertTrue(result.stdout.splitlines()[-1].startswith("pass "), result.stdout)


if __name__ == "__main__":
    kt.main()
