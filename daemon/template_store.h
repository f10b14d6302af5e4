/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The templates that this daemon has verified, each once. Counted references, so that one that is thrown
 * away stays open for who still starts a clone of it. All calls may come from any thread; those that say so
 * block.
 */

#include "template.h"

struct template_store;

/* root: the folder; made if missing. */
int template_store_new(const char *root, struct template_store **ret, struct kt_error *reterr);
/* No references may be left. NULL allowed. */
void template_store_free(struct template_store *store);

const char *template_store_root(const struct template_store *store);

/* The template of a shape, verified; a new reference, or NULL when there is none. Blocks for some tenths of
 * a second when it has to be verified first, or somebody is at it. One that cannot be trusted is removed,
 * and the log says why. */
const struct template *template_store_get(struct template_store *store, const struct shape *s);

/* As template_publish(): a new reference in *ret. Blocks. */
int template_store_publish(struct template_store *store, struct template_draft *draft, const struct shape *s,
                           const struct template_facts *facts, const struct template **ret,
                           struct kt_error *reterr);

/* A new reference. Returns its argument. */
const struct template *template_ref(struct template_store *store, const struct template *t);
/* NULL allowed. */
void template_unref(struct template_store *store, const struct template *t);

/* Does who asks still get this one (of which there is a reference)? */
bool template_store_offers(struct template_store *store, const struct template *t);

/* Throw the template of this key away: from here on nobody gets it, nor finds it on disk. The path of what
 * is then to be removed (which blocks for a moment), malloced, or NULL when there is nothing. */
char *template_store_forget(struct template_store *store, const char *key);
