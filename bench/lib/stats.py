# SPDX-License-Identifier: LGPL-2.1-or-later
"""The arithmetic of the benchmarks."""

import math
import statistics


def percentile(samples, p):
    """The smallest sample that p percent of all are not above: one that was measured, nothing in between."""
    if not samples:
        raise ValueError("no samples")
    if not 0 <= p <= 100:
        raise ValueError(f"{p} is no percentage")
    return sorted(samples)[max(math.ceil(len(samples) * p / 100), 1) - 1]


def summary(samples):
    return {"n": len(samples), "min": min(samples), "median": statistics.median(samples),
            "p99": percentile(samples, 99), "max": max(samples)}


def ratio(slow, fast):
    """How many times as long the one takes: of medians, since a noisy machine spoils the mean."""
    return statistics.median(slow) / statistics.median(fast)


def quarters(samples):
    """A series in time in four parts as even as can be, the earliest first."""
    if len(samples) < 4:
        raise ValueError(f"{len(samples)} samples are no four quarters")
    bounds = [len(samples) * i // 4 for i in range(5)]
    return [samples[bounds[i]:bounds[i + 1]] for i in range(4)]


def growth(samples):
    """How much more the last quarter has than the second, in medians: the first is still warming up."""
    parts = quarters(samples)
    return statistics.median(parts[3]) - statistics.median(parts[1])
