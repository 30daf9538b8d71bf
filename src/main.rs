//! Parse, run, print the error, exit.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use wsgiaudit::cli::Cli;
use wsgiaudit::command;
use wsgiaudit::exit::Exit;

#[expect(clippy::print_stderr, reason = "the one place where an error is printed")]
fn main() -> ExitCode {
    match command::run(&Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            Exit::Failed.into()
        }
    }
}
