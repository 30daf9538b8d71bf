//! The `wsgiaudit` binary: parses the arguments, runs the command and prints errors on standard error.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use wsgiaudit::cli::Cli;
use wsgiaudit::command;
use wsgiaudit::exit::Exit;
use wsgiaudit::render::error::render_error;

#[expect(clippy::print_stderr, reason = "the one place where an error is printed")]
fn main() -> ExitCode {
    match command::run_command(&Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprint!("{}", render_error(&error));
            Exit::Failed.into()
        }
    }
}
