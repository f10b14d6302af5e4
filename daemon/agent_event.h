/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the agent tells while a job runs: into the job's events, and among the evidence. */

struct evidence;
struct guest_event;
struct job;

/* Of a job so many are told; what a test says in a loop must not fill the memory. */
#define AGENT_EVENTS_MAX 4096U

void agent_event(struct job *job, struct evidence *seen, const struct guest_event *e);
