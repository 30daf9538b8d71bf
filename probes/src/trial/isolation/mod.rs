//! Finds what C code does beyond its own interpreter: entering the main interpreter, libraries and symbols that
//! private copies have in common, and changes of the process's state.

mod image_links;
mod image_watch;
mod loaded_segments;
mod main_entry;
mod process_state;

use wsgiaudit_probes_core::protocol::TrialOrder;

use image_watch::start_image_watch;
pub(in crate::trial) use image_watch::{
    inspect_new_images, is_used_by_other_copy, open_before_load, record_unmatched_images,
};
use process_state::{record_process_changes, start_process_watch};

/// Watches the images and the state of the process from now on, if interpreters with their own GIL change them. Not to
/// be called on the driver: what is read there may lie in memory that is watched, whose faults the driver cannot handle.
pub(in crate::trial) fn start_watch(order: &TrialOrder) {
    start_image_watch(order);
    start_process_watch(order);
}

/// Records what was loaded and changed since the last call. Nothing else runs in the process meanwhile. Not to be called
/// on the driver, as [`start_watch`].
pub(in crate::trial) fn record_changes() {
    inspect_new_images(None);
    record_process_changes();
}
