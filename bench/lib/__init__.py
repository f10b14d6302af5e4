# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the subjects share: arithmetic (stats), the report, what is started and ended (bench), the host."""
