//! The document, schema 1: the stored form of a report, which every output format and every later reader
//! starts from. Its types are separate from the inner ones: fields are added, never changed or removed.

mod apache;
mod application;
mod convert;
mod declarations;
mod document;
mod outcome;
mod requests;

pub use apache::{Apache, ApacheFinding, ConfigLine, Landing, NotTold};
pub use application::{Application, NotFollowed, SourceFinding, SourcePlace, UsedModule};
pub use declarations::{Declaration, Declarations, Hazard, Inspected, SlotValue, Tool};
pub use document::{
    Blocked, Blocker, Cause, Distribution, Document, Exercise, Finding, Header, Judged, Module, Name, Python,
    PythonFinding, Remembered, Root, Tried, Upgrade,
};
pub use outcome::{Crash, FailedLoad, Outcome, Shared};
pub use requests::{Request, RequestInMode, RequestTimes};
