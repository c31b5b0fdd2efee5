//! The two requests to the loop driver that attach an image, with the structures they take.
//!
//! Layouts and numbers are those of `linux/loop.h`; who calls them owns the descriptors and decides when.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::check;

const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// `struct loop_config` of the kernel's `linux/loop.h`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// `struct loop_info64` of the kernel's `linux/loop.h`.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// The number of a loop device that is free at this moment; another process may take it first.
pub(crate) fn loop_free_number(control: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: LOOP_CTL_GET_FREE takes no argument.
    let number = check(libc::c_long::from(unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) }))?;
    u32::try_from(number).map_err(io::Error::other)
}

/// Binds `image` to the loop device `device`; the kernel releases it when its last user closes it.
/// `direct` bypasses the page cache of the image file.
pub(crate) fn loop_configure(device: BorrowedFd<'_>, image: BorrowedFd<'_>, direct: bool) -> io::Result<()> {
    // SAFETY: LoopConfig is a plain structure of integers for which all zeroes is valid.
    let mut config: LoopConfig = unsafe { std::mem::zeroed() };
    config.fd = image.as_raw_fd().cast_unsigned();
    config.block_size = 0;
    config.info.flags = LO_FLAGS_AUTOCLEAR | if direct { LO_FLAGS_DIRECT_IO } else { 0 };
    // SAFETY: LOOP_CONFIGURE reads one loop_config, which lives through the call.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) };
    check(libc::c_long::from(result)).map(drop)
}
