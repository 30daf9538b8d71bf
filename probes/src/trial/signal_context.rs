//! The processor state that a signal interrupted: the third argument of a signal handler.

use std::ffi::c_void;

/// Returns the instruction pointer; 0 on platforms whose context layout is not known here.
///
/// # Safety
/// `context` is the third argument the kernel passed to a signal handler.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "no layout is known"))]
pub(super) unsafe fn instruction_pointer(context: *mut c_void) -> u64 {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    // SAFETY: guaranteed by the caller.
    unsafe {
        let context = context.cast::<libc::ucontext_t>();
        (*context).uc_mcontext.gregs[libc::REG_RIP as usize].cast_unsigned()
    }
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    // SAFETY: guaranteed by the caller.
    unsafe {
        (*context.cast::<libc::ucontext_t>()).uc_mcontext.pc
    }
    #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    0
}

/// Sets or clears the processor's single-step flag. Returns whether the platform supports that.
#[cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64")),
    expect(unused_variables, reason = "no layout is known")
)]
pub(super) fn set_single_step(context: *mut c_void, stops: bool) -> bool {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    // SAFETY: the third argument the kernel passed to a signal handler.
    unsafe {
        /// The trap flag of the flags register.
        const TRAP: i64 = 0x100;
        let flags = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_EFL as usize];
        *flags = if stops { *flags | TRAP } else { *flags & !TRAP };
        true
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    false
}
