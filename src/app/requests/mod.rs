//! Requests from an `.http` file, the format that Visual Studio Code's REST Client and JetBrains' HTTP Client share: `###`
//! between requests; each a line `METHOD URL`, headers, an empty line, a body. Variables, and values taken from answers, stand
//! as `{{name}}`. What either client runs (scripts, prompts) or makes up (`{{$guid}}`) is not here. Pure.

mod body;
mod json_path;
mod parse;
mod request;
mod split;
mod text;

#[cfg(test)]
mod tests;

pub use parse::{Requests, requests};
pub use request::{BodyPart, Piece, Request, Source, Step, Text};
