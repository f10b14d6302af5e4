/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* CPUs that go and come back. */

#include "run.h"

/* Can it go, or come back, as far as its number tells? -ENODEV: it was not there when the test began,
 * -EBUSY: CPU 0 stays. */
int hotplug_check(const struct run *r, unsigned cpu, bool online, struct kt_error *reterr);

/* Take one offline that hotplug_check() has passed; one that is offline already is success. Errors: one that
 * the kernel keeps, and -ETIMEDOUT where it does not come to it, which it may do later. */
int hotplug_offline(struct run *r, unsigned cpu, struct kt_error *reterr);
/* Bring one back; the same. */
int hotplug_online(struct run *r, unsigned cpu, struct kt_error *reterr);
/* All that are still away; the first error, after all were tried. */
int hotplug_restore(struct run *r, struct kt_error *reterr);
