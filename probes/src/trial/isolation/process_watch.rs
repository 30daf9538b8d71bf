//! Watches the images and the state of the process together, between the steps of a trial.

use wsgiaudit_probes_core::protocol::TrialOrder;

use super::image_watch::{inspect_new_images, start_image_watch};
use super::process_state::{record_process_changes, start_process_watch};

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
