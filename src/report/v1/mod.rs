//! The document, schema 1: the stored form of a report, which every output format and every later reader
//! starts from. Its types, and those of the model that they use, are the schema: fields and values are added,
//! never changed or removed.

mod apache;
mod application;
mod declarations;
mod document;
mod judged;
mod outcome;
mod requests;
mod texts;

pub use apache::{Apache, ApacheFinding, ConfigLine, Landing, NotTold};
pub use application::{Application, ModuleReach, NotFollowed, SourceFinding, SourcePlace, UsedModule};
pub use declarations::{Declaration, Declarations, Hazard, Inspected, Tool};
pub use document::{
    Blocked, Blocker, DecidedBy, Distribution, Document, Exercise, Finding, Header, Module, Name, Python,
    PythonFinding, Remembered, Root, StandardModule,
};
pub use judged::{Cause, Judged, Tried};
pub use outcome::{Crash, FailedLoad, Outcome};
pub use requests::{Request, RequestInMode, RequestResult, RequestTimes};
pub(super) use texts::DocumentPart;
