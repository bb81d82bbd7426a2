//! Calls on descriptors: writing, cutting, syncing, closing.

use libc::{DIR, c_int, c_void, iovec, off_t, size_t, ssize_t};

use super::{errno, failed, int, length, set_errno, size};
use crate::{
    plan::Need,
    state::{self, Watched},
    trace::Event,
};

/// Runs a call that changes the file behind `fd`, when it is one of ours.
fn on_file<T>(
    fd: c_int,
    need: Need,
    call: impl FnOnce() -> T,
    event: impl FnOnce(u64) -> Event,
) -> T
where
    T: From<i8> + PartialOrd + Copy,
{
    if !state::is_watched(fd) {
        return call();
    }
    let Some(mut state) = state::lock() else { return call() };
    let Some(Watched::File { handle, counts }) = state.watched(fd) else {
        drop(state);
        return call();
    };
    if counts && let Some(number) = state.step(need) {
        return failed(number);
    }
    let result = call();
    if result >= T::from(0) {
        let number = errno();
        state.record(&event(handle));
        set_errno(number);
    }
    result
}

/// Runs a call that writes `data`, of which it may take only a part, and traces that part.
/// `offset` says where it begins once it is written.
fn on_write(
    fd: c_int,
    data: impl FnOnce() -> Vec<u8>,
    call: impl FnOnce() -> ssize_t,
    offset: impl FnOnce(u64) -> u64,
) -> ssize_t {
    if !state::is_watched(fd) {
        return call();
    }
    let Some(mut state) = state::lock() else { return call() };
    let Some(watched) = state.watched(fd) else {
        drop(state);
        return call();
    };
    if let Watched::File { counts: true, .. } = watched
        && let Some(number) = state.step(Need::Room)
    {
        set_errno(number);
        return -1;
    }
    let result = call();
    if let Ok(written) = usize::try_from(result) {
        let number = errno();
        let mut data = data();
        data.truncate(written);
        state.record(&match watched {
            Watched::File { handle, .. } => {
                Event::Write { handle, offset: offset(written as u64), data }
            }
            Watched::Ack => Event::Ack { data },
        });
        set_errno(number);
    }
    result
}

/// Where a write of `written` bytes at the file's own position began.
fn began(fd: c_int, written: u64) -> u64 {
    // SAFETY: takes no pointers.
    length(unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) }).saturating_sub(written)
}

/// # Safety
/// `buffer` has `count` bytes.
unsafe fn copied(buffer: *const c_void, count: size_t) -> Vec<u8> {
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: by the caller.
    unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), count) }.to_vec()
}

/// # Safety
/// `parts` has `count` valid entries.
unsafe fn gathered(parts: *const iovec, count: c_int) -> Vec<u8> {
    let count = usize::try_from(count).unwrap_or(0);
    let mut all = Vec::new();
    for at in 0..count {
        // SAFETY: by the caller.
        let part = unsafe { *parts.add(at) };
        // SAFETY: by the caller.
        all.extend(unsafe { copied(part.iov_base, part.iov_len) });
    }
    all
}

/// # Safety
/// As for the C library's call.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    on_write(
        fd,
        // SAFETY: by the caller.
        || unsafe { copied(buffer, count) },
        // SAFETY: by the caller.
        || size(unsafe { libc::syscall(libc::SYS_write, fd, buffer, count) }),
        |written| began(fd, written),
    )
}

/// # Safety
/// As for the C library's call.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    on_write(
        fd,
        // SAFETY: by the caller.
        || unsafe { gathered(parts, count) },
        // SAFETY: by the caller.
        || size(unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) }),
        |written| began(fd, written),
    )
}

/// # Safety
/// As for the C library's call.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(
    fd: c_int,
    buffer: *const c_void,
    count: size_t,
    offset: off_t,
) -> ssize_t {
    on_write(
        fd,
        // SAFETY: by the caller.
        || unsafe { copied(buffer, count) },
        // SAFETY: by the caller.
        || size(unsafe { libc::syscall(libc::SYS_pwrite64, fd, buffer, count, offset) }),
        |_| length(offset),
    )
}

/// # Safety
/// As for the C library's call.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(
    fd: c_int,
    buffer: *const c_void,
    count: size_t,
    offset: off_t,
) -> ssize_t {
    // SAFETY: by the caller.
    unsafe { pwrite(fd, buffer, count, offset) }
}

/// # Safety
/// As for the C library's call.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwritev(
    fd: c_int,
    parts: *const iovec,
    count: c_int,
    offset: off_t,
) -> ssize_t {
    on_write(
        fd,
        // SAFETY: by the caller.
        || unsafe { gathered(parts, count) },
        // The system takes the offset as two words, of which a 64-bit one needs the first.
        // SAFETY: by the caller.
        || size(unsafe { libc::syscall(libc::SYS_pwritev, fd, parts, count, offset, 0) }),
        |_| length(offset),
    )
}

/// # Safety
/// As for the C library's call.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwritev64(
    fd: c_int,
    parts: *const iovec,
    count: c_int,
    offset: off_t,
) -> ssize_t {
    // SAFETY: by the caller.
    unsafe { pwritev(fd, parts, count, offset) }
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    // SAFETY: takes no pointers.
    let call = || int(unsafe { libc::syscall(libc::SYS_fsync, fd) });
    on_file(fd, Need::Room, call, |handle| Event::Sync { handle })
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    // SAFETY: takes no pointers.
    let call = || int(unsafe { libc::syscall(libc::SYS_fdatasync, fd) });
    on_file(fd, Need::Room, call, |handle| Event::Sync { handle })
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate(fd: c_int, to: off_t) -> c_int {
    // SAFETY: takes no pointers.
    let call = || int(unsafe { libc::syscall(libc::SYS_ftruncate, fd, to) });
    on_file(fd, Need::Nothing, call, |handle| Event::Resize { handle, length: length(to) })
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, to: off_t) -> c_int {
    ftruncate(fd, to)
}

#[unsafe(no_mangle)]
extern "C" fn fallocate(fd: c_int, mode: c_int, offset: off_t, len: off_t) -> c_int {
    // SAFETY: takes no pointers.
    let call = || int(unsafe { libc::syscall(libc::SYS_fallocate, fd, mode, offset, len) });
    if mode & libc::FALLOC_FL_KEEP_SIZE != 0 {
        return call();
    }
    let end = length(offset).saturating_add(length(len));
    on_file(fd, Need::Room, call, |handle| Event::Extend { handle, length: end })
}

#[unsafe(no_mangle)]
extern "C" fn fallocate64(fd: c_int, mode: c_int, offset: off_t, len: off_t) -> c_int {
    fallocate(fd, mode, offset, len)
}

#[unsafe(no_mangle)]
extern "C" fn close(fd: c_int) -> c_int {
    // SAFETY: takes no pointers.
    let call = || int(unsafe { libc::syscall(libc::SYS_close, fd) });
    if !state::is_watched(fd) {
        return call();
    }
    let Some(mut state) = state::lock() else { return call() };
    state.forget(fd);
    // The lock is held until the number is free: another thread may get it at once.
    call()
}

/// # Safety
/// As for the C library's call, which closes the descriptor without [`close`], and frees what only
/// it knows of: it is called.
#[unsafe(no_mangle)]
unsafe extern "C" fn closedir(stream: *mut DIR) -> c_int {
    type CloseDir = unsafe extern "C" fn(*mut DIR) -> c_int;
    // SAFETY: the name is a C string.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, c"closedir".as_ptr()) };
    if next.is_null() {
        return failed(libc::ENOSYS);
    }
    // SAFETY: the C library's function of this name has this type.
    let call = unsafe { std::mem::transmute::<*mut c_void, CloseDir>(next) };
    // SAFETY: by the caller.
    let fd = unsafe { libc::dirfd(stream) };
    let mut state = if state::is_watched(fd) { state::lock() } else { None };
    if let Some(state) = &mut state {
        state.forget(fd);
    }
    // As in `close`, the lock is held until the number is free.
    // SAFETY: by the caller.
    unsafe { call(stream) }
}
