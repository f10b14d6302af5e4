# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was measured, held against what was promised, as a table and as JSON."""

import json

from lib import stats

AT_MOST, AT_LEAST = "<=", ">="


class Target:
    """A promise about one statistic of a figure: median, p99, min, max."""

    def __init__(self, statistic, op, value):
        if statistic not in ("min", "median", "p99", "max") or op not in (AT_MOST, AT_LEAST):
            raise ValueError(f"no target: {statistic} {op}")
        self.statistic, self.op, self.value = statistic, op, value

    def met(self, summary):
        got = summary[self.statistic]
        return got <= self.value if self.op == AT_MOST else got >= self.value

    def __str__(self):
        return f"{self.statistic} {self.op} {number(self.value)}"


class Figure:
    """Samples of one thing. In one run a figure is named by its subject and its name."""

    def __init__(self, subject, name, unit, targets=(), note=None):
        self.subject, self.name, self.unit, self.targets, self.note = subject, name, unit, tuple(targets), note
        self.samples = []

    def add(self, value):
        self.samples.append(float(value))

    def json(self):
        s = stats.summary(self.samples)
        return {"subject": self.subject, "name": self.name, "unit": self.unit, **s, "samples": self.samples,
                "targets": [{"statistic": t.statistic, "op": t.op, "value": t.value, "met": t.met(s)} for t in self.targets],
                **({"note": self.note} if self.note else {})}


class Ratio:
    """How many times faster one figure of this run is than another."""

    def __init__(self, slow, fast, at_least=None):
        self.slow, self.fast, self.at_least = slow, fast, at_least
        self.value = stats.ratio(slow.samples, fast.samples)

    def met(self):
        return self.value >= self.at_least

    def json(self):
        return {"subject": self.slow.subject, "slow": self.slow.name, "fast": self.fast.name, "times": self.value,
                **({} if self.at_least is None else {"at_least": self.at_least, "met": self.met()})}


def number(x):
    """No more digits than can matter, and no exponent."""
    if x == int(x) and abs(x) < 1e15 or abs(x) >= 1000:
        return f"{x:.0f}"
    return f"{x:.1f}" if abs(x) >= 100 else f"{x:.2f}" if abs(x) >= 1 else f"{x:.3f}"


def table(head, rows):
    """Columns as wide as they must be; all but the first to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, *rows]:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return lines


class Report:
    def __init__(self, host):
        self.host = host
        self.figures, self.ratios, self.missing = [], [], []

    def figure(self, *args, **kwargs):
        figure = Figure(*args, **kwargs)
        self.figures.append(figure)
        return figure

    def ratio(self, slow, fast, at_least=None):
        """Left out when one side was not measured: that is in `missing` already."""
        if slow.samples and fast.samples:
            self.ratios.append(Ratio(slow, fast, at_least))

    def not_measured(self, subject, reason):
        if (subject, reason) not in self.missing:
            self.missing.append((subject, reason))

    def measured(self):
        return [f for f in self.figures if f.samples]

    def json(self):
        return {"host": self.host, "figures": [f.json() for f in self.measured()], "ratios": [r.json() for r in self.ratios],
                "not_measured": [{"subject": s, "reason": r} for s, r in self.missing]}

    def write_json(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.json(), file, indent=1)
            file.write("\n")

    def text(self):
        lines = [f"{key:<12} {value}" for key, value in self.host.items()]
        subjects = []
        for figure in self.measured():
            if figure.subject not in subjects:
                subjects.append(figure.subject)
        head = ["", "unit", "n", "median", "p99", "min", "max", "target", "met"]
        for subject in subjects:
            rows, notes = [], []
            for figure in self.measured():
                if figure.subject != subject:
                    continue
                s = stats.summary(figure.samples)
                values = [figure.unit, str(s["n"]), *(number(s[k]) for k in ("median", "p99", "min", "max"))]
                targets = [(str(t), "yes" if t.met(s) else "NO") for t in figure.targets] or [("", "")]
                rows.append([figure.name, *values, *targets[0]])
                rows += [["", *[""] * len(values), *target] for target in targets[1:]]
                if figure.note:
                    notes.append(f"  {figure.name}: {figure.note}")
            lines += ["", *table([subject, *head[1:]], rows), *notes]
        if self.ratios:
            rows = [[f"{r.slow.subject}: {r.fast.name}, against {r.slow.name}", f"{number(r.value)} times",
                     "" if r.at_least is None else f">= {number(r.at_least)}", "" if r.at_least is None else "yes" if r.met() else "NO"]
                    for r in self.ratios]
            lines += ["", *table(["how much faster", "", "target", "met"], rows)]
        if self.missing:
            lines += ["", "not measured"] + [f"  {subject}: {reason}" for subject, reason in self.missing]
        return "\n".join(lines) + "\n"
