/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../kconfig/kernel_config.h"
#include "../../common/cleanup.h"
#include "../lib/suite.h"

static const char config[] = "#\n"
                             "# Automatically generated file; DO NOT EDIT.\n"
                             "#\n"
                             "CONFIG_FIRST=y\n"
                             "CONFIG_VIRTIO=m\n"
                             "CONFIG_VIRTIO_PCI=y\n"
                             "# CONFIG_VIRTIO_CONSOLE is not set\n"
                             "CONFIG_EXPLICIT=n\n"
                             "\n"
                             "CONFIG_HZ=1000\n"
                             "CONFIG_LOCALVERSION=\"-mine\"\n"
                             "CONFIG_CRLF=m\r\n"
                             " CONFIG_INDENTED=y\n"
                             "XCONFIG_PREFIXED=y\n"
                             "CONFIG_LAST=y";

static const struct {
        const char *name;
        char value;
} cases[] = {
        {"FIRST", 'y'},    {"VIRTIO", 'm'},   {"VIRTIO_PCI", 'y'}, {"VIRTIO_CONSOLE", 'n'},
        {"EXPLICIT", 'n'}, {"HZ", 'y'},       {"LAST", 'y'},       {"LOCALVERSION", 'y'},
        {"CRLF", 'm'},     {"INDENTED", 'n'}, {"PREFIXED", 'n'},   {"VIRTIO_", 'n'},
        {"VIRT", 'n'},     {"NOWHERE", 'n'},  {"", 'n'},
};

START_TEST(each_option_has_its_value)
{
        ck_assert_msg(kernel_config_get(config, cases[_i].name) == cases[_i].value, "%s is %c",
                      cases[_i].name, kernel_config_get(config, cases[_i].name));
}
END_TEST

START_TEST(an_unknown_configuration_is_told_from_an_empty_one)
{
        ck_assert_int_eq(kernel_config_get(NULL, "PVH"), '?');
        ck_assert_int_eq(kernel_config_get("", "PVH"), 'n');
        ck_assert_int_eq(kernel_config_get("\n", "PVH"), 'n');
        ck_assert_int_eq(kernel_config_get("CONFIG_PVH", "PVH"), 'n');
        ck_assert_int_eq(kernel_config_get("CONFIG_PVH=", "PVH"), 'y');
}
END_TEST

int main(void)
{
        Suite *s = suite_create("kernel_config");
        TCase *c = tcase_create("kernel_config");

        tcase_add_loop_test(c, each_option_has_its_value, 0, (int)KT_ARRAY_SIZE(cases));
        tcase_add_test(c, an_unknown_configuration_is_told_from_an_empty_one);
        suite_add_tcase(s, c);
        return suite_run(s);
}
