/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "idl_type.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "errors.h"

/* Types nested deeper than the wire's own limit could never be sent. */
#define TYPE_DEPTH_MAX 32

struct parser {
        struct kt_idl *idl;
        const char *text, *at;
        struct kt_error *reterr;
};

/* The character class without a locale. */
static bool is_upper(char c)
{
        return c >= 'A' && c <= 'Z';
}

static bool is_alpha(char c)
{
        return is_upper(c) || (c >= 'a' && c <= 'z');
}

static bool is_alnum(char c)
{
        return is_alpha(c) || (c >= '0' && c <= '9');
}

static int fail_at(struct parser *p, const char *where, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

static int fail_at(struct parser *p, const char *where, const char *fmt, ...)
{
        _cleanup_free_ char *text = NULL;
        size_t line = 1, column = 1;
        va_list ap;

        for (const char *c = p->text; c < where; c++) {
                column++;
                if (*c == '\n') {
                        line++;
                        column = 1;
                }
        }
        va_start(ap, fmt);
        if (vasprintf(&text, fmt, ap) < 0)
                text = NULL;
        va_end(ap);
        return kt_error_set(p->reterr, -EBADMSG, KT_E_INTERNAL, "%s%sline %zu, column %zu: %s",
                            p->idl->name ?: "", p->idl->name ? ", " : "", line, column,
                            text ?: "syntax error");
}

static int no_memory(struct parser *p)
{
        return kt_error_set(p->reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static void skip_blanks(struct parser *p)
{
        for (;;) {
                p->at += strspn(p->at, " \t\r\n");
                if (*p->at != '#')
                        return;
                p->at += strcspn(p->at, "\n");
        }
}

static bool take(struct parser *p, const char *token)
{
        size_t len = strlen(token);

        skip_blanks(p);
        if (strncmp(p->at, token, len) != 0)
                return false;
        p->at += len;
        return true;
}

static int expect(struct parser *p, const char *token)
{
        return take(p, token) ? 0 : fail_at(p, p->at, "expected '%s'", token);
}

/* Letters, digits and whatever else is in `extra`, from here on. */
static size_t word_length(const struct parser *p, const char *extra)
{
        size_t n = 0;

        while (is_alnum(p->at[n]) || (p->at[n] && strchr(extra, p->at[n])))
                n++;
        return n;
}

static bool take_keyword(struct parser *p, const char *word)
{
        size_t len;

        skip_blanks(p);
        len = word_length(p, "_");
        if (len != strlen(word) || strncmp(p->at, word, len) != 0)
                return false;
        p->at += len;
        return true;
}

static int take_word(struct parser *p, size_t len, char **ret)
{
        char *word = strndup(p->at, len);

        if (!word)
                return no_memory(p);
        p->at += len;
        *ret = word;
        return 0;
}

/* Is this a part of a reverse-domain name: letters and digits, dashes only between them? */
static bool is_domain_part(const char *s, size_t len)
{
        return len > 0 && s[0] != '-' && s[len - 1] != '-';
}

static int interface_name(struct parser *p, char **ret)
{
        size_t len, parts = 0;

        skip_blanks(p);
        len = word_length(p, "-.");
        for (size_t at = 0; at <= len; parts++) {
                size_t part = 0;

                while (at + part < len && p->at[at + part] != '.')
                        part++;
                if (!is_domain_part(p->at + at, part))
                        return fail_at(p, p->at + at, "expected an interface name like io.example.Thing");
                at += part + 1;
        }
        if (parts < 2 || !is_alpha(*p->at))
                return fail_at(p, p->at, "expected an interface name like io.example.Thing");
        return take_word(p, len, ret);
}

static int member_name(struct parser *p, char **ret)
{
        skip_blanks(p);
        if (!is_upper(*p->at))
                return fail_at(p, p->at, "expected a name that begins with a capital letter");
        return take_word(p, word_length(p, ""), ret);
}

/* Letters and digits, single underscores between them. */
static int field_name(struct parser *p, char **ret)
{
        size_t len;

        skip_blanks(p);
        len = word_length(p, "_");
        if (!is_alpha(*p->at))
                return fail_at(p, p->at, "expected a field name");
        for (size_t i = 0; i < len; i++)
                if (p->at[i] == '_' && (i + 1 == len || p->at[i + 1] == '_'))
                        return fail_at(p, p->at + i,
                                       "an underscore in a field name must stand between letters or digits");
        return take_word(p, len, ret);
}

static struct kt_idl_type *new_type(enum kt_idl_kind kind)
{
        struct kt_idl_type *type = calloc(1, sizeof(*type));

        if (type)
                type->kind = kind;
        return type;
}

static int parse_type(struct parser *p, unsigned int depth, struct kt_idl_type *type);

static int parse_element(struct parser *p, unsigned int depth, struct kt_idl_type *type,
                         enum kt_idl_kind kind)
{
        type->kind = kind;
        type->element = new_type(KT_IDL_BOOL);
        if (!type->element)
                return no_memory(p);
        return parse_type(p, depth, type->element);
}

/* Add an empty field, borrowed until the next is added. NULL when memory is out. */
static struct kt_idl_field *add_field(struct kt_idl_type *type)
{
        struct kt_idl_field *grown;

        grown = reallocarray(type->fields, type->n_fields + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        type->fields = grown;
        grown[type->n_fields] = (struct kt_idl_field){0};
        return &grown[type->n_fields++];
}

static int parse_field(struct parser *p, unsigned int depth, struct kt_idl_type *type)
{
        struct kt_idl_field *field = add_field(type);
        const char *begin;
        int r;

        if (!field)
                return no_memory(p);
        skip_blanks(p);
        begin = p->at;
        r = field_name(p, &field->name);
        if (r < 0)
                return r;
        for (size_t i = 0; i + 1 < type->n_fields; i++)
                if (strcmp(type->fields[i].name, field->name) == 0)
                        return fail_at(p, begin, "'%s' is there twice", field->name);

        /* The first one decides: with a type behind the name it is a struct, without an enum. */
        skip_blanks(p);
        if (type->n_fields == 1)
                type->kind = *p->at == ':' ? KT_IDL_STRUCT : KT_IDL_ENUM;
        if (type->kind == KT_IDL_ENUM)
                return 0;
        r = expect(p, ":");
        if (r < 0)
                return r;
        field->type = new_type(KT_IDL_BOOL);
        if (!field->type)
                return no_memory(p);
        return parse_type(p, depth, field->type);
}

/* Behind '(': a struct or an enum. */
static int parse_fields(struct parser *p, unsigned int depth, struct kt_idl_type *type)
{
        int r;

        type->kind = KT_IDL_STRUCT;
        if (take(p, ")"))
                return 0;
        for (;;) {
                r = parse_field(p, depth, type);
                if (r < 0)
                        return r;
                if (take(p, ")"))
                        return 0;
                if (!take(p, ","))
                        return fail_at(p, p->at, "expected ',' or ')'");
        }
}

static int parse_word_type(struct parser *p, struct kt_idl_type *type)
{
        static const struct {
                const char *word;
                enum kt_idl_kind kind;
        } builtin[] = {
                {"bool", KT_IDL_BOOL},     {"int", KT_IDL_INT},       {"float", KT_IDL_FLOAT},
                {"string", KT_IDL_STRING}, {"object", KT_IDL_OBJECT},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(builtin); i++)
                if (take_keyword(p, builtin[i].word)) {
                        type->kind = builtin[i].kind;
                        return 0;
                }

        skip_blanks(p);
        if (!is_upper(*p->at))
                return fail_at(p, p->at, "expected a type");
        type->kind = KT_IDL_NAMED;
        type->name_offset = (size_t)(p->at - p->text);
        return member_name(p, &type->name);
}

static int parse_type(struct parser *p, unsigned int depth, struct kt_idl_type *type)
{
        skip_blanks(p);
        if (depth == 0)
                return fail_at(p, p->at, "types nested too deeply");
        if (take(p, "?")) {
                skip_blanks(p);
                if (*p->at == '?')
                        return fail_at(p, p->at, "'?' twice");
                return parse_element(p, depth - 1, type, KT_IDL_OPTIONAL);
        }
        if (take(p, "[]"))
                return parse_element(p, depth - 1, type, KT_IDL_ARRAY);
        if (take(p, "[string]"))
                return parse_element(p, depth - 1, type, KT_IDL_MAP);
        if (take(p, "("))
                return parse_fields(p, depth - 1, type);
        return parse_word_type(p, type);
}

/* '(' fields ')', of which methods and errors take structs only. */
static int parse_body(struct parser *p, bool enum_allowed, struct kt_idl_type **ret)
{
        const char *begin;
        int r;

        *ret = new_type(KT_IDL_STRUCT);
        if (!*ret)
                return no_memory(p);
        r = expect(p, "(");
        if (r < 0)
                return r;
        begin = p->at;
        r = parse_fields(p, TYPE_DEPTH_MAX, *ret);
        if (r < 0)
                return r;
        if ((*ret)->kind == KT_IDL_ENUM && !enum_allowed)
                return fail_at(p, begin, "expected fields with types");
        return 0;
}

static struct kt_idl_member *add_member(struct kt_idl *idl)
{
        struct kt_idl_member *grown;

        grown = reallocarray(idl->members, idl->n_members + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        idl->members = grown;
        grown[idl->n_members] = (struct kt_idl_member){0};
        return &grown[idl->n_members++];
}

static int parse_member(struct parser *p)
{
        struct kt_idl_member *member;
        enum kt_idl_member_kind kind;
        const char *begin;
        int r;

        if (take_keyword(p, "type"))
                kind = KT_IDL_MEMBER_TYPE;
        else if (take_keyword(p, "method"))
                kind = KT_IDL_MEMBER_METHOD;
        else if (take_keyword(p, "error"))
                kind = KT_IDL_MEMBER_ERROR;
        else
                return fail_at(p, p->at, "expected 'type', 'method' or 'error'");

        member = add_member(p->idl);
        if (!member)
                return no_memory(p);
        member->kind = kind;
        skip_blanks(p);
        begin = p->at;
        r = member_name(p, &member->name);
        if (r < 0)
                return r;
        if (kt_idl_find(p->idl, member->name) != member)
                return fail_at(p, begin, "'%s' is there twice", member->name);

        r = parse_body(p, kind == KT_IDL_MEMBER_TYPE, &member->in);
        if (r < 0 || kind != KT_IDL_MEMBER_METHOD)
                return r;
        r = expect(p, "->");
        if (r < 0)
                return r;
        return parse_body(p, false, &member->out);
}

/* Give each name the type it stands for. */
static int resolve(struct parser *p, struct kt_idl_type *type)
{
        const struct kt_idl_member *member;
        int r = 0;

        if (!type)
                return 0;
        if (type->kind == KT_IDL_NAMED) {
                member = kt_idl_find(p->idl, type->name);
                if (!member || member->kind != KT_IDL_MEMBER_TYPE)
                        return fail_at(p, p->text + type->name_offset, "no type is called '%s'", type->name);
                type->target = member->in;
        }
        if (type->element)
                r = resolve(p, type->element);
        for (size_t i = 0; i < type->n_fields && r == 0; i++)
                r = resolve(p, type->fields[i].type);
        return r;
}

int kt_idl_parse_text(struct kt_idl *idl, struct kt_error *reterr)
{
        struct parser p = {.idl = idl, .text = idl->text, .at = idl->text, .reterr = reterr};
        int r;

        if (!take_keyword(&p, "interface"))
                return fail_at(&p, p.at, "expected 'interface'");
        r = interface_name(&p, &idl->name);
        if (r < 0)
                return r;

        do {
                r = parse_member(&p);
                if (r < 0)
                        return r;
                skip_blanks(&p);
        } while (*p.at);

        for (size_t i = 0; i < idl->n_members; i++) {
                r = resolve(&p, idl->members[i].in);
                if (r >= 0)
                        r = resolve(&p, idl->members[i].out);
                if (r < 0)
                        return r;
        }
        return 0;
}
