//! Shell completions and manual pages, generated from the argument definitions of [`Cli`].

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;

/// Returns the completion script for a shell.
pub fn render_completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), env!("CARGO_PKG_NAME"), &mut script);
    script
}

/// Returns the manual page of the whole program, in roff.
///
/// # Errors
/// Writing to memory does not fail; the error is part of `clap_mangen`'s interface.
pub fn render_page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Ok(page)
}

/// Writes `wsgiaudit.1` and a page for each subcommand into a folder, which is created if needed.
///
/// # Errors
/// When the folder or a page cannot be written.
pub fn write_pages(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), folder)
}
