//! Passes a file descriptor to a thread with another table of descriptors (`SCM_RIGHTS`, unix(7)).

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// A buffer for one control message with one descriptor.
#[repr(C, align(8))]
struct ControlBuffer([u8; 64]);

const DESCRIPTOR_SIZE: libc::c_uint = size_of::<RawFd>() as libc::c_uint;

/// Calls `work` with a message of one byte that has room for one descriptor.
fn with_message<R>(work: impl FnOnce(&mut libc::msghdr) -> R) -> R {
    let (mut byte, mut control) = ([0_u8], ControlBuffer([0; 64]));
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: all zeros are a valid message; CMSG_SPACE only computes.
    let mut message = unsafe { zeroed::<libc::msghdr>() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: as above.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(DESCRIPTOR_SIZE) } as _;
    work(&mut message)
}

/// Sends a copy of a descriptor.
///
/// # Errors
/// If the other side is gone.
pub(super) fn send_descriptor(over: &UnixStream, descriptor: RawFd) -> io::Result<()> {
    with_message(|message| {
        // SAFETY: the message has room for one control message with one descriptor.
        let sent = unsafe {
            let control = libc::CMSG_FIRSTHDR(message);
            (*control).cmsg_level = libc::SOL_SOCKET;
            (*control).cmsg_type = libc::SCM_RIGHTS;
            (*control).cmsg_len = libc::CMSG_LEN(DESCRIPTOR_SIZE) as _;
            libc::CMSG_DATA(control).cast::<RawFd>().write_unaligned(descriptor);
            libc::sendmsg(over.as_raw_fd(), message, 0)
        };
        if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
    })
}

/// Receives a descriptor.
///
/// # Errors
/// If the other side has sent none.
pub(super) fn receive_descriptor(over: &UnixStream) -> io::Result<OwnedFd> {
    with_message(|message| {
        // SAFETY: as in `send_descriptor`; the kernel has made the descriptor for this process.
        unsafe {
            let received =
                libc::recvmsg(over.as_raw_fd(), message, libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC);
            let control = if received == 1 { libc::CMSG_FIRSTHDR(message) } else { std::ptr::null_mut() };
            if control.is_null() || (*control).cmsg_type != libc::SCM_RIGHTS {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            Ok(OwnedFd::from_raw_fd(libc::CMSG_DATA(control).cast::<RawFd>().read_unaligned()))
        }
    })
}
