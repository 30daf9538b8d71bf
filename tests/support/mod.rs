//! What the themes share.

pub(crate) mod command;
pub(crate) mod corpus;
pub(crate) mod pythons;
pub(crate) mod venv;
