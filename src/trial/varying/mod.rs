//! What differs each time that the same thing runs: numbers of processes and threads, addresses, times, names of
//! temporary files, and the order in which threads print. It is hidden from what a trial raised and printed, in this
//! place alone and before anybody judges it: two audits of the same environment write the same document.
//!
//! What a run is known by is hidden wherever it stands: the ids of its processes, the time of day. Other numbers are
//! hidden where the words around them tell what they are. Error numbers, versions and sizes stay.

mod addresses;
mod ids;
mod lines;
mod names;
mod pattern;
mod run;
mod times;

pub use addresses::hide as hide_addresses;
pub(super) use lines::{end, in_storm};
pub(super) use run::{Clock, Run};

#[cfg(test)]
mod tests;
