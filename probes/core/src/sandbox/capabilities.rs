//! Capabilities of root, and of users in a namespace of their own.

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
};

/// Drops all capabilities of the calling thread but the right to read all files, without which root could not
/// read the environments of other users. Programs that it executes get no more, since `no_new_privs` is set by
/// the other parts of the sandbox. Without capabilities there is nothing to drop, and dropping cannot fail.
pub(super) fn drop_capabilities() {
    let _cleared = clear_ambient_capability_set();
    if let Ok(CapabilitySets { permitted, .. }) = capabilities(None) {
        let kept = permitted & CapabilitySet::DAC_READ_SEARCH;
        let inheritable = CapabilitySet::empty();
        let _dropped =
            set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable });
    }
}
