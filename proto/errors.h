/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The error names that go over the wire. Each is declared in the .varlink file of its interface: those of
 * io.ktstrd with the parameters (message: string, field: ?string), those of org.varlink.service as the
 * Varlink specification has them. A test holds this list and those files together. */

/* of the protocol itself */
#define KT_E_INTERFACE_NOT_FOUND "org.varlink.service.InterfaceNotFound"
#define KT_E_METHOD_NOT_FOUND "org.varlink.service.MethodNotFound"
#define KT_E_METHOD_NOT_IMPLEMENTED "org.varlink.service.MethodNotImplemented"
#define KT_E_INVALID_PARAMETER "org.varlink.service.InvalidParameter"
#define KT_E_PERMISSION_DENIED "org.varlink.service.PermissionDenied"
#define KT_E_EXPECTED_MORE "org.varlink.service.ExpectedMore"

/* io.ktstrd.Daemon: anything may meet these */
#define KT_E_INTERNAL "io.ktstrd.Daemon.Internal" /* a bug, or memory ran out */
#define KT_E_BUSY "io.ktstrd.Daemon.Busy"         /* a limit per user or in all is reached */
#define KT_E_SHUTTING_DOWN "io.ktstrd.Daemon.ShuttingDown"
#define KT_E_IO "io.ktstrd.Daemon.InputOutput" /* reading or writing files failed; disk full */

/* io.ktstrd.Kernel */
#define KT_E_NO_SUCH_KERNEL "io.ktstrd.Kernel.NoSuchKernel"  /* nothing matches */
#define KT_E_BAD_KERNEL "io.ktstrd.Kernel.BadKernel"         /* not a kernel, truncated, corrupt */
#define KT_E_KERNEL_UNSUITABLE "io.ktstrd.Kernel.Unsuitable" /* lacks sched_ext, BTF, PVH or virtio */

#define KT_E_DOWNLOAD "io.ktstrd.Kernel.DownloadFailed" /* the network, or what came over it */
#define KT_E_BUILD "io.ktstrd.Kernel.BuildFailed"       /* the source does not configure or compile */

/* io.ktstrd.Pool */
#define KT_E_NO_POOL "io.ktstrd.Pool.NoPool" /* the daemon was told to do without */
#define KT_E_NO_SUCH_SHAPE "io.ktstrd.Pool.NoSuchShape"
#define KT_E_DROPPED "io.ktstrd.Pool.Dropped" /* while it was waited for */

/* io.ktstrd.Job */
#define KT_E_NO_SUCH_JOB "io.ktstrd.Job.NoSuchJob"
#define KT_E_BAD_TOPOLOGY "io.ktstrd.Job.BadTopology"
#define KT_E_NEVER_FITS "io.ktstrd.Job.NeverFits"
#define KT_E_UNKNOWN_SCENARIO "io.ktstrd.Job.UnknownScenario"
#define KT_E_BAD_SCHEDULER "io.ktstrd.Job.BadScheduler" /* missing, not executable, wrong architecture */
#define KT_E_LIBRARY_NOT_FOUND "io.ktstrd.Job.LibraryNotFound"
#define KT_E_BAD_FILE "io.ktstrd.Job.BadFile" /* an artifact cannot be read or placed */
#define KT_E_ACCEL_UNUSABLE "io.ktstrd.Job.AcceleratorUnusable"
#define KT_E_GUEST_START "io.ktstrd.Job.GuestStart"       /* QEMU could not be started */
#define KT_E_GUEST_BOOT "io.ktstrd.Job.GuestBoot"         /* it never became ready */
#define KT_E_GUEST_DIED "io.ktstrd.Job.GuestDied"         /* it went away while it had a job */
#define KT_E_GUEST_PROTOCOL "io.ktstrd.Job.GuestProtocol" /* it sent what nobody may send */
#define KT_E_TIMEOUT "io.ktstrd.Job.Timeout"
#define KT_E_TEST_PROGRAM "io.ktstrd.Job.TestProgram" /* it crashed, hung, or did what no test may */
