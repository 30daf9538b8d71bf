//! Finds what C code does beyond its own interpreter: entering the main interpreter, libraries and symbols that
//! private copies have in common, and changes of the process's state.

mod image_links;
mod image_watch;
mod loaded_segments;
mod main_entry;
mod process_state;

pub(in crate::trial) use image_watch::{inspect_new_images, is_used_by_other_copy, record_unmatched_images};
pub(in crate::trial) use image_watch::{open_before_load, start_image_watch};
pub(in crate::trial) use process_state::{record_process_changes, start_process_watch};
