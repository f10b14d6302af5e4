# SPDX-License-Identifier: LGPL-2.1-or-later
"""OpenMetrics 1.0 text, read strictly: what the specification does not allow is an error."""

import math
import re

NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
LABEL = re.compile(rf'({NAME})="((?:[^"\\\n]|\\[\\"n])*)"')
SAMPLE = re.compile(rf'({NAME})(?:\{{({LABEL.pattern}(?:,{LABEL.pattern})*)\}})? ([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)')
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


class Family:
    """Its samples are (name, labels, value) as they came."""

    def __init__(self, name, kind):
        self.name, self.kind, self.unit, self.help, self.samples = name, kind, None, None, []

    def value(self, suffix="", **labels):
        found = [value for name, its, value in self.samples if name == self.name + suffix and its == labels]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} samples {self.name}{suffix} {labels}")
        return found[0]

    def check(self):
        require(self.help, f"{self.name} has no HELP")
        require(self.samples, f"{self.name} has no samples")
        keys = [(name, tuple(sorted(labels.items()))) for name, labels, _ in self.samples]
        require(len(set(keys)) == len(keys), f"{self.name} has a sample twice")
        if self.kind == "histogram":
            self.check_histogram()

    def check_histogram(self):
        """Groups of buckets, count and sum, each of one set of labels."""
        samples = list(self.samples)
        while samples:
            labels = {k: v for k, v in samples[0][1].items() if k != "le"}
            bounds, last = [], 0
            while samples and samples[0][0] == self.name + "_bucket":
                _, its, value = samples.pop(0)
                bounds.append(its.pop("le"))
                require(its == labels, f"{self.name}: buckets of {labels} and {its} are mixed")
                require(value >= last and value == int(value), f"{self.name} {labels}: bucket {bounds[-1]} is not cumulative")
                last = value
            numbers = [math.inf if bound == "+Inf" else float(bound) for bound in bounds]
            require(numbers == sorted(set(numbers)) and numbers and numbers[-1] == math.inf, f"{self.name}: bounds {bounds}")
            require(all(re.search(r"[.e]|Inf", bound) for bound in bounds), f"{self.name}: bounds {bounds} are not canonical")
            require(samples and samples.pop(0) == (self.name + "_count", labels, last), f"{self.name} {labels}: _count is not +Inf's")
            require(samples and samples.pop(0)[:2] == (self.name + "_sum", labels), f"{self.name} {labels}: no _sum")


def require(condition, what):
    if not condition:
        raise AssertionError(what)


def read(text):
    """Families by name."""
    require(text.endswith("\n"), "the last line has no end")
    *lines, end = text[:-1].split("\n")
    require(end == "# EOF", f"the last line is {end!r}")
    families, family = {}, None
    for line in lines:
        if line.startswith("# "):
            _, kind, name, rest = line.split(" ", 3)
            require(rest, line)
            if kind == "TYPE":
                require(re.fullmatch(NAME, name) and name not in families and rest in SUFFIXES, line)
                family = families[name] = Family(name, rest)
                continue
            require(family and name == family.name and not family.samples and family.help is None, line)
            if kind == "UNIT":
                require(family.unit is None and name.endswith("_" + rest), line)
                family.unit = rest
            else:
                require(kind == "HELP", line)
                family.help = rest
            continue
        match = SAMPLE.fullmatch(line)
        require(match and family, line)
        require(match[1] in [family.name + suffix for suffix in SUFFIXES[family.kind]], f"{line} in {family.name}")
        labels = LABEL.findall(match[2] or "")
        require(len(dict(labels)) == len(labels), line)
        require(("le" in dict(labels)) == match[1].endswith("_bucket"), line)
        family.samples.append((match[1], dict(labels), float(match[match.lastindex])))
    for family in families.values():
        family.check()
    return families
