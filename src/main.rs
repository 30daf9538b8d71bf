//! Parse, run, print the error, exit.
#![forbid(unsafe_code)]

fn main() {}
