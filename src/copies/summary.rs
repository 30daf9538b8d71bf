//! What trees of copies contain, and how many interpreters a process can have with them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::shared_object::{NeedTarget, SharedObject};
use super::write_trees::FailedCopies;

/// Bytes of static TLS that glibc has for libraries loaded at run time, with default tunables
/// (`_dl_tls_static_surplus_init` in glibc's `elf/dl-tls.c`: 3 * 144 + 4 * 144 + 144 + 512). Alignment can leave a
/// little more: of libgomp with 120 bytes, 14 copies were loaded.
const STATIC_TLS: u64 = 1664;

/// The kernel's default for `vm.max_map_count`, used where it cannot be read.
const DEFAULT_MAPPINGS: u64 = 65_530;

/// Mappings that are left for Python itself, the system's libraries, the heap and the stacks of threads.
const RESERVED_MAPPINGS: u64 = 5_000;

/// What trees of copies contain. Numbers are for one tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopySummary {
    /// Shared objects.
    pub objects: usize,
    /// Those of them that are extension modules.
    pub modules: usize,
    /// Size of the sources in bytes.
    pub bytes: u64,
    /// Sources with unique symbols, which are ordinary ones in the copies.
    pub unique_symbols: Vec<PathBuf>,
    /// Sources that need static TLS, with its size in bytes.
    pub static_tls: Vec<(PathBuf, u64)>,
    /// Memory mappings if everything is loaded.
    pub mappings: u64,
    /// Libraries that are needed and stay shared, although they are none of the system.
    pub shared: BTreeSet<PathBuf>,
    /// Files and folders that cannot be read or rewritten, with the reason.
    pub left_out: Vec<(PathBuf, String)>,
}

impl CopySummary {
    /// Summarizes the copies of objects, except for those that failed.
    pub(super) fn new<'o>(
        objects: impl Iterator<Item = &'o SharedObject>,
        unreadable: &[(PathBuf, String)],
        failed: &FailedCopies,
    ) -> Self {
        let mut summary = Self { left_out: unreadable.to_vec(), ..Self::default() };
        for object in objects {
            match failed.get(&object.path) {
                Some(error) => summary.left_out.push((object.path.clone(), error.to_string())),
                None => summary.add_object(object),
            }
        }
        summary
    }

    fn add_object(&mut self, object: &SharedObject) {
        let names = &object.names;
        self.objects += 1;
        self.modules += usize::from(names.is_module);
        self.bytes += object.size;
        self.mappings = self.mappings.saturating_add(names.mappings);
        if names.unique_symbols > 0 {
            self.unique_symbols.push(object.path.clone());
        }
        if names.has_static_tls {
            self.static_tls.push((object.path.clone(), names.tls_size));
        }
        for need in &object.needs {
            match &need.target {
                NeedTarget::Outside(path) => drop(self.shared.insert(path.clone())),
                NeedTarget::Object(..)
                | NeedTarget::Preloaded(_)
                | NeedTarget::System
                | NeedTarget::Unknown => {}
            }
        }
    }

    /// Most interpreters whose static TLS fits if each loads everything; `None` if nothing needs any. At most so
    /// many: libraries of the system may need some too.
    pub fn most_by_static_tls(&self) -> Option<u64> {
        let size: u64 = self.static_tls.iter().map(|(_, size)| size).sum();
        STATIC_TLS.checked_div(size)
    }

    /// Most interpreters whose mappings the kernel allows if each loads everything; `None` if there are none.
    pub fn most_by_mappings(&self) -> Option<u64> {
        let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count");
        let limit = limit.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(DEFAULT_MAPPINGS);
        limit.saturating_sub(RESERVED_MAPPINGS).checked_div(self.mappings)
    }

    /// Most interpreters of a process, over its whole life: a tree is never used again, since the statics of its
    /// copies outlive the interpreter.
    pub fn most_interpreters(&self) -> Option<u64> {
        self.most_by_static_tls().into_iter().chain(self.most_by_mappings()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_follow_from_static_tls_and_mappings() {
        let with = |tls: &[u64], mappings| CopySummary {
            static_tls: tls.iter().map(|size| (PathBuf::from("x"), *size)).collect(),
            mappings,
            ..CopySummary::default()
        };
        assert_eq!(with(&[120], 10).most_by_static_tls(), Some(13));
        assert_eq!(with(&[120, 1400], 10).most_interpreters(), Some(1));
        assert_eq!(with(&[], 10).most_by_static_tls(), None);
        assert_eq!(with(&[], 0).most_interpreters(), None);
        let (few, many) =
            (with(&[], 100).most_by_mappings().unwrap(), with(&[], 1000).most_by_mappings().unwrap());
        assert!(few > many && many > 0, "{few} {many}");
    }
}
