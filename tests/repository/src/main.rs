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
    let core = parse_crate(&root.join("probes/core"))?;
    let mut table = Table::new();
    table.set_header(["", "src", "probes/src", "probes/core/src"]);
    let [of_program, of_probes, of_core] =
        [&program, &probes, &core].map(|files| Measures::new(files).table_rows());
    for (((name, of_program), (_, of_probes)), (_, of_core)) in
        of_program.into_iter().zip(of_probes).zip(of_core)
    {
        table.add_row([name.to_owned(), of_program, of_probes, of_core]);
    }
    println!("{table}");
    for files in [&program, &probes, &core] {
        for circle in ModuleGraph::new(files).find_circles() {
            println!("circle: {}", join_modules(&circle, ", "));
        }
    }
    Ok(())
}
