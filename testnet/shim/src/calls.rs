//! The C library's calls, by their own names.
//!
//! Each does what its man page says by a system call of its own, so that none of them calls
//! another one here by way of the C library.

mod files;
mod names;

use libc::{c_int, off_t, ssize_t};

fn errno() -> c_int {
    // SAFETY: the C library gives each thread a valid place for it.
    unsafe { *libc::__errno_location() }
}

fn set_errno(number: c_int) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = number }
}

fn failed<T: From<i8>>(number: c_int) -> T {
    set_errno(number);
    T::from(-1)
}

/// A result of `libc::syscall` as the type of the call, which it fits by the system's contract.
fn int(result: libc::c_long) -> c_int {
    c_int::try_from(result).unwrap_or(-1)
}

/// As [`int`].
fn size(result: libc::c_long) -> ssize_t {
    ssize_t::try_from(result).unwrap_or(-1)
}

fn length(number: off_t) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
