/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* kernel.org's list of releases (releases.json), and which of them a prefix means. */

#include <stddef.h>

#include "source.h"
#include "version.h"

/* From the file's text to the object of proto/buildmsg.h; rows that are not understood are left out. */
int releases_parse(const char *text, size_t size, struct json_object **ret, struct kt_error *reterr);

/* Of the stable and long-term rows the newest with at least so many patch releases; of those that are still
 * kept up, or else of all. false: there is none. */
bool releases_newest_mature(struct json_object *list, unsigned patches, struct version *ret);

/* Of the stable and long-term rows (candidates false: of no candidate; true: of candidates alone, which are
 * mainline) the newest that is of this series. */
bool releases_newest_of(struct json_object *list, const struct version *series, bool candidates,
                        struct version *ret);

/*
 * For a version that cannot be had: "latest 6.14.x: 6.14.10", from the list, the mirror's sums or its files.
 * NULL when nothing is known; that nothing could be asked is no error. Malloced.
 */
char *release_nearest(const struct net *net, const struct version *v);
