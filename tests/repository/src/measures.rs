//! The table of `make house`: what a newcomer would stumble over, counted.

use std::collections::BTreeMap;

use crate::items::{Function, collect_items};
use crate::module_graph::ModuleGraph;
use crate::sources::SourceFile;

/// A function of more lines than this is long.
const LONG_FUNCTION: usize = 60;

/// The measures of a crate.
pub struct Measures {
    /// The number of files.
    pub files: usize,
    /// Lines of the file in the middle, by length.
    pub median_file: usize,
    /// Lines of the longest file.
    pub longest_file: usize,
    /// The number of functions and methods.
    pub functions: usize,
    /// How many of them have a name of one word.
    pub one_word_functions: usize,
    /// How many of them have more than 60 lines.
    pub long_functions: usize,
    /// Lines of the function in the middle, by length.
    pub median_function: usize,
    /// The number of types.
    pub types: usize,
    /// How many of them share their name with another one of the same crate.
    pub shared_types: usize,
    /// How many files lie in a circle.
    pub files_in_circles: usize,
    /// The number of circles.
    pub circles: usize,
}

impl Measures {
    /// Measures these files of one crate.
    pub fn new(files: &[SourceFile]) -> Self {
        let items: Vec<_> = files.iter().map(collect_items).collect();
        let functions: Vec<&Function> = items.iter().flat_map(|items| &items.functions).collect();
        let mut types: BTreeMap<&str, usize> = BTreeMap::new();
        items.iter().flat_map(|items| &items.types).for_each(|name| *types.entry(name).or_default() += 1);
        let graph = ModuleGraph::new(files);
        let circles = graph.find_circles();
        Self {
            files: files.len(),
            median_file: median_of(files.iter().map(|file| file.lines)),
            longest_file: files.iter().map(|file| file.lines).max().unwrap_or_default(),
            functions: functions.len(),
            one_word_functions: functions.iter().filter(|function| function.has_one_word()).count(),
            long_functions: functions.iter().filter(|function| function.lines > LONG_FUNCTION).count(),
            median_function: median_of(functions.iter().map(|function| function.lines)),
            types: types.values().sum(),
            shared_types: types.values().filter(|count| **count > 1).sum(),
            files_in_circles: circles.iter().map(Vec::len).sum(),
            circles: circles.len(),
        }
    }

    /// The rows of the table: what is counted, and the count.
    pub fn table_rows(&self) -> [(&'static str, String); 7] {
        [
            (
                "files",
                format!("{} (median {} lines, longest {})", self.files, self.median_file, self.longest_file),
            ),
            ("functions", format!("{} (median {} lines)", self.functions, self.median_function)),
            ("  of one word", format_share(self.one_word_functions, self.functions)),
            ("  of more than 60 lines", format_share(self.long_functions, self.functions)),
            ("types", self.types.to_string()),
            ("  that share a name", format_share(self.shared_types, self.types)),
            ("circles", format!("{} of {} files", self.circles, self.files_in_circles)),
        ]
    }
}

/// `part` of `whole` in percent.
pub fn percent_of(part: usize, whole: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of a few thousand")]
    let share = part as f64 / whole.max(1) as f64;
    100.0 * share
}

fn format_share(part: usize, whole: usize) -> String {
    format!("{part} ({:.1} %)", percent_of(part, whole))
}

fn median_of(values: impl Iterator<Item = usize>) -> usize {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
