//! `make house`: prints the measures of each crate of the repository, and the circles.
#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use comfy_table::Table;
use wsgiaudit_repository::measures::Measures;
use wsgiaudit_repository::module_graph::{ModuleGraph, join_modules};
use wsgiaudit_repository::sources::{parse_crate, repository_root};

fn main() -> anyhow::Result<()> {
    let root = repository_root();
    let program = parse_crate(&root)?;
    let probes = parse_crate(&root.join("probes"))?;
    let mut table = Table::new();
    table.set_header(["", "src", "probes/src"]);
    for ((name, of_program), (_, of_probes)) in
        Measures::new(&program).rows().into_iter().zip(Measures::new(&probes).rows())
    {
        table.add_row([name.to_owned(), of_program, of_probes]);
    }
    println!("{table}");
    for files in [&program, &probes] {
        for circle in ModuleGraph::new(files).circles() {
            println!("circle: {}", join_modules(&circle, ", "));
        }
    }
    Ok(())
}
