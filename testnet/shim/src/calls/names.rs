//! Calls on names: opening, renaming, linking, removing.

use std::ffi::CStr;

use libc::{c_char, c_int, mode_t};

use super::{errno, failed, int, set_errno};
use crate::{
    plan::Need,
    state::{self, Place},
    trace::Event,
};

fn is_directory(fd: c_int) -> bool {
    // SAFETY: all-zero bytes are a valid `stat`.
    let mut stat = unsafe { std::mem::zeroed::<libc::stat>() };
    // SAFETY: the pointer is to a live `stat`.
    let result = unsafe { libc::fstat(fd, &raw mut stat) };
    result == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFDIR
}

/// # Safety
/// `path` is a C string.
unsafe fn exists(dir: c_int, path: *const c_char) -> bool {
    // SAFETY: by the caller.
    unsafe { libc::faccessat(dir, path, libc::F_OK, 0) == 0 }
}

/// # Safety
/// As for the C library's call. Its last argument is a variadic one there, which the calling
/// conventions of Linux on x86-64 and arm64 pass like any other.
#[unsafe(no_mangle)]
unsafe extern "C" fn openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: by the caller.
    let call = || int(unsafe { libc::syscall(libc::SYS_openat, dir, path, flags, mode) });
    let Some(mut state) = state::lock() else { return call() };
    // SAFETY: by the caller.
    let name = state.absolute(dir, unsafe { CStr::from_ptr(path) });
    let place = state.place(&name);
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
    let truncates = writes && flags & libc::O_TRUNC != 0;
    // SAFETY: by the caller.
    let makes = flags & libc::O_CREAT != 0 && !unsafe { exists(dir, path) };
    if place == Place::Root
        && (makes || truncates)
        && state.counts(&name)
        && let Some(number) = state.step(Need::Room)
    {
        return failed(number);
    }
    let fd = call();
    let number = errno();
    if fd >= 0 {
        match place {
            Place::Root if writes => state.watch(fd, &name, truncates),
            Place::Root if is_directory(fd) => state.watch_directory(fd, &name),
            Place::Ack if writes => state.watch_ack(fd),
            Place::Root | Place::Ack | Place::Elsewhere => {}
        }
    }
    set_errno(number);
    fd
}

/// # Safety
/// As [`openat`].
#[unsafe(no_mangle)]
unsafe extern "C" fn openat64(
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    // SAFETY: by the caller.
    unsafe { openat(dir, path, flags, mode) }
}

/// # Safety
/// As [`openat`].
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: by the caller.
    unsafe { openat(libc::AT_FDCWD, path, flags, mode) }
}

/// # Safety
/// As [`openat`].
#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: by the caller.
    unsafe { openat(libc::AT_FDCWD, path, flags, mode) }
}

/// Runs a call that changes names, when it is about the root. `path` is below `dir` as for the
/// system's calls.
///
/// # Safety
/// `path` is a C string.
unsafe fn on_names(
    dir: c_int,
    path: *const c_char,
    need: Need,
    call: impl FnOnce() -> c_int,
    event: impl FnOnce(Vec<u8>) -> Event,
) -> c_int {
    let Some(mut state) = state::lock() else { return call() };
    // SAFETY: by the caller.
    let name = state.absolute(dir, unsafe { CStr::from_ptr(path) });
    if state.place(&name) != Place::Root {
        drop(state);
        return call();
    }
    if state.counts(&name)
        && let Some(number) = state.step(need)
    {
        return failed(number);
    }
    let result = call();
    if result == 0 {
        let number = errno();
        state.record(&event(name.into_bytes()));
        set_errno(number);
    }
    result
}

/// # Safety
/// `path` is a C string.
unsafe fn owned(path: *const c_char) -> Vec<u8> {
    // SAFETY: by the caller.
    unsafe { CStr::from_ptr(path) }.to_bytes().to_vec()
}

/// # Safety
/// As for the C library's call.
#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let cwd = libc::AT_FDCWD;
    // SAFETY: by the caller.
    let call = || int(unsafe { libc::syscall(libc::SYS_renameat, cwd, from, cwd, to) });
    // SAFETY: by the caller.
    let event = |from| Event::Rename { from, to: unsafe { owned(to) } };
    // SAFETY: by the caller.
    unsafe { on_names(cwd, from, Need::Nothing, call, event) }
}

/// # Safety
/// As for the C library's call.
#[unsafe(no_mangle)]
unsafe extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    let cwd = libc::AT_FDCWD;
    // SAFETY: by the caller.
    let call = || int(unsafe { libc::syscall(libc::SYS_linkat, cwd, from, cwd, to, 0) });
    // SAFETY: by the caller.
    let event = |from| Event::Link { from, to: unsafe { owned(to) } };
    // SAFETY: by the caller.
    unsafe { on_names(cwd, from, Need::Room, call, event) }
}

/// # Safety
/// As for the C library's call.
#[unsafe(no_mangle)]
unsafe extern "C" fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: by the caller.
    let call = || int(unsafe { libc::syscall(libc::SYS_unlinkat, dir, path, flags) });
    // SAFETY: by the caller.
    unsafe { on_names(dir, path, Need::Nothing, call, |path| Event::Unlink { path }) }
}

/// # Safety
/// As for the C library's call.
#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: by the caller.
    unsafe { unlinkat(libc::AT_FDCWD, path, 0) }
}

/// # Safety
/// As for the C library's call.
#[unsafe(no_mangle)]
unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    // SAFETY: by the caller.
    unsafe { unlinkat(libc::AT_FDCWD, path, libc::AT_REMOVEDIR) }
}

/// # Safety
/// As for the C library's call.
#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: by the caller.
    let call = || int(unsafe { libc::syscall(libc::SYS_mkdirat, libc::AT_FDCWD, path, mode) });
    // SAFETY: by the caller.
    unsafe { on_names(libc::AT_FDCWD, path, Need::Room, call, |path| Event::MakeDir { path }) }
}
