//! Parses `.http` files, the format that Visual Studio Code's REST Client and JetBrains' HTTP Client share.
//! Requests are separated by `###`; each is a line `METHOD URL`, headers, an empty line and a body.
//! `{{name}}` is a placeholder for a variable or a value from an earlier response. Scripts, prompts and
//! generated values (`{{$guid}}`) are not supported. No I/O.

mod body;
mod json_path;
mod parse;
mod request;
mod request_blocks;
mod template;

#[cfg(test)]
mod tests;

pub use parse::{ParsedRequests, parse_requests};
pub use request::{BodyPart, HttpRequest, JsonPathStep, TemplatePart, TextTemplate, ValueSource};
