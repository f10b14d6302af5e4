/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* CPUs that go and come back. */

#include "run.h"

/* Take one offline. CPU 0, one that is not there and one that the kernel keeps are errors; one that is
 * offline already is not. */
int hotplug_offline(struct run *r, unsigned cpu, struct kt_error *reterr);
/* Bring one back. */
int hotplug_online(struct run *r, unsigned cpu, struct kt_error *reterr);
/* All that are still away. */
int hotplug_restore(struct run *r, struct kt_error *reterr);
