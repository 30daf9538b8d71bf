//! The nouns of an audit. No I/O, no wire format, no opinions: every other folder imports these and they
//! import nothing.

mod facts;

pub use facts::{Declared, Doubt, Facts, Hazard, HazardKind, Initialisation, Slot, Target, slot};
