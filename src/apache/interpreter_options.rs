//! Resolves the options of an interpreter (mod_wsgi 6.1.1, `wsgi_interp.c`:
//! `wsgi_resolve_interpreter_options`, `wsgi_resolve_free_threading`). The block with the most selectors
//! wins; of equals, the last.

use super::python_build::PythonBuild;
use super::site::{ApacheSite, OptionsBlock};
use super::values::LocatedValue;
use crate::model::{Mode, PythonPathOptions};

/// The effective options of an interpreter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ResolvedOptions {
    pub(super) own_gil: Option<LocatedValue<bool>>,
    pub(super) switch_interval: Option<LocatedValue<f64>>,
    /// Whether the switch interval comes from a block that names an application group.
    pub(super) is_scoped: bool,
}

impl OptionsBlock {
    /// Whether the block applies to an interpreter.
    pub(super) fn selects_interpreter(&self, process: &str, application: &str) -> bool {
        self.process.as_deref().is_none_or(|wanted| wanted == process)
            && self.application.as_deref().is_none_or(|wanted| wanted == application)
    }

    pub(super) fn specificity(&self) -> usize {
        usize::from(self.process.is_some()) + usize::from(self.application.is_some())
    }
}

impl ApacheSite {
    /// Returns the effective options of an interpreter.
    pub(super) fn resolve_options(&self, process: &str, application: &str) -> ResolvedOptions {
        let mut resolved = ResolvedOptions {
            own_gil: self.options.own_gil.clone(),
            switch_interval: self.options.switch_interval.clone(),
            is_scoped: false,
        };
        let (mut gil, mut interval) = (0, 0);
        for block in self.blocks.iter().filter(|block| block.selects_interpreter(process, application)) {
            let specificity = block.specificity();
            if block.options.own_gil.is_some() && specificity >= gil {
                (resolved.own_gil, gil) = (block.options.own_gil.clone(), specificity);
            }
            if block.options.switch_interval.is_some() && specificity >= interval {
                (resolved.switch_interval, interval) = (block.options.switch_interval.clone(), specificity);
                resolved.is_scoped = block.application.is_some();
            }
        }
        resolved
    }

    /// Returns the effective `WSGIFreeThreading` of a process and its line. Blocks that name an application
    /// group are ignored.
    pub(super) fn resolve_free_threading(&self, process: &str) -> Option<LocatedValue<bool>> {
        let (mut resolved, mut best) = (self.options.free_threading.clone(), 0);
        for block in self.blocks.iter().filter(|block| block.application.is_none()) {
            let specificity = block.specificity();
            let is_for = block.process.as_deref().is_none_or(|wanted| wanted == process);
            if is_for && block.options.free_threading.is_some() && specificity >= best {
                (resolved, best) = (block.options.free_threading.clone(), specificity);
            }
        }
        resolved
    }

    /// Returns the mode of the interpreter for a process group and an application group.
    pub(super) fn interpreter_mode(&self, process: &str, application: &str, build: &PythonBuild) -> Mode {
        let is_free = self.resolve_free_threading(process).is_some_and(|set| set.value);
        let is_own = self.resolve_options(process, application).own_gil.is_some_and(|set| set.value);
        match (application.is_empty(), is_free && build.is_free_threaded) {
            (true, true) => Mode::FreeThreaded,
            (true, false) => Mode::Main,
            (false, true) => Mode::FreeThreadedGroup,
            // On a build with a GIL, the only effect of `WSGIFreeThreading On` is to disable per-interpreter
            // GILs.
            (false, false) if is_own && !is_free && build.has_own_gil => Mode::OwnGil,
            (false, false) => Mode::SharedGil,
        }
    }

    /// Returns the entries that mod_wsgi puts in front of an interpreter's `sys.path` (`wsgi_interp.c`,
    /// `newInterpreterObject`): those of matching blocks, the most specific first, then those of the process
    /// group.
    pub fn module_path(&self, process: &str, application: &str) -> PythonPathOptions {
        let daemon = self.daemons.get(process);
        let mut blocks: Vec<&OptionsBlock> =
            self.blocks.iter().filter(|block| block.selects_interpreter(process, application)).collect();
        // mod_wsgi prepends each, so the most specific block ends up first.
        blocks.sort_by_key(|block| block.specificity());
        let of_blocks = blocks.into_iter().rev().flat_map(|block| &block.python_path);
        let of_process = daemon.map_or(&self.python_path, |daemon| &daemon.paths);
        let folders = of_blocks.chain(of_process).filter(|folder| !folder.as_os_str().is_empty());
        PythonPathOptions {
            home: daemon.and_then(|daemon| daemon.folder.clone()),
            folders: folders.cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apache::site::{DaemonConfiguration, InterpreterOptions};
    use crate::model::ConfigLocation;

    fn set<T>(value: T) -> Option<LocatedValue<T>> {
        Some(LocatedValue { value, place: ConfigLocation { file: "x".into(), line: 1 } })
    }

    /// A block with these selectors that sets all options. Its interval and its path tell it from others.
    fn block(process: Option<&str>, application: Option<&str>, is_on: bool, interval: f64) -> OptionsBlock {
        OptionsBlock {
            process: process.map(str::to_owned),
            application: application.map(str::to_owned),
            options: InterpreterOptions {
                own_gil: set(is_on),
                free_threading: set(is_on),
                switch_interval: set(interval),
            },
            python_path: vec![format!("/{interval}").into(), "".into()],
            place: ConfigLocation { file: "x".into(), line: 1 },
        }
    }

    #[test]
    fn the_most_specific_block_wins_and_of_equals_the_last() {
        let blocks = vec![
            block(Some("d"), Some("g"), false, 4.0),
            block(Some("d"), None, false, 1.0),
            block(None, Some("g"), true, 2.0),
            block(None, None, true, 3.0),
        ];
        let site = ApacheSite { blocks, ..ApacheSite::default() };
        for (process, application, own_gil, interval, is_scoped) in [
            ("d", "g", false, 4.0, true),
            ("d", "x", false, 1.0, false),
            ("x", "g", true, 2.0, true),
            ("x", "x", true, 3.0, false),
        ] {
            let resolved = site.resolve_options(process, application);
            let found = (resolved.own_gil, resolved.switch_interval, resolved.is_scoped);
            assert_eq!(found, (set(own_gil), set(interval), is_scoped), "{process} {application}");
        }
        // Blocks that name an application group say nothing about free threading.
        assert_eq!(site.resolve_free_threading("d"), set(false));
        assert_eq!(site.resolve_free_threading("x"), set(true));
        let twice = vec![block(Some("d"), None, true, 1.0), block(None, Some("g"), false, 2.0)];
        let site = ApacheSite { blocks: twice, ..ApacheSite::default() };
        assert_eq!(site.resolve_options("d", "g").own_gil, set(false));
        assert_eq!(ApacheSite::default().resolve_options("d", "g"), ResolvedOptions::default());
        let options = InterpreterOptions { free_threading: set(true), ..InterpreterOptions::default() };
        assert_eq!(ApacheSite { options, ..ApacheSite::default() }.resolve_free_threading("d"), set(true));
    }

    #[test]
    fn an_interpreter_has_a_mode() {
        let site = |own_gil: bool, free_threading: bool| {
            let options = InterpreterOptions {
                own_gil: set(own_gil),
                free_threading: set(free_threading),
                switch_interval: None,
            };
            ApacheSite { options, ..ApacheSite::default() }
        };
        let build = |is_free_threaded, has_own_gil| PythonBuild {
            release: String::new(),
            is_free_threaded,
            has_own_gil,
        };
        for (site, build, main, group) in [
            (site(false, false), build(false, true), Mode::Main, Mode::SharedGil),
            (site(true, false), build(false, true), Mode::Main, Mode::OwnGil),
            (site(true, false), build(false, false), Mode::Main, Mode::SharedGil),
            (site(true, true), build(false, true), Mode::Main, Mode::SharedGil),
            (site(false, true), build(true, true), Mode::FreeThreaded, Mode::FreeThreadedGroup),
            (site(true, false), build(true, true), Mode::Main, Mode::OwnGil),
        ] {
            assert_eq!(site.interpreter_mode("d", "", &build), main, "{build:?}");
            assert_eq!(site.interpreter_mode("d", "g", &build), group, "{build:?}");
        }
    }

    #[test]
    fn the_path_of_a_module_has_the_most_specific_block_first() {
        let blocks = vec![
            block(None, None, true, 1.0),
            block(Some("d"), Some("g"), true, 2.0),
            block(Some("d"), None, true, 3.0),
            block(Some("x"), None, true, 4.0),
        ];
        let daemon = DaemonConfiguration {
            options: Vec::new(),
            switch_interval: None,
            home: None,
            paths: vec!["/daemon".into()],
            folder: Some("/folder".into()),
            threads: 15,
            request_timeout: 0,
            queue_timeout: 0,
            server: 0,
            place: ConfigLocation { file: "x".into(), line: 1 },
        };
        let daemons = [("d".to_owned(), daemon)].into();
        let python_path = vec!["/own".into()];
        let site = ApacheSite { blocks, daemons, python_path, ..ApacheSite::default() };
        let path = site.module_path("d", "g");
        assert_eq!(path.home, Some("/folder".into()));
        let folders: Vec<&str> = path.folders.iter().filter_map(|folder| folder.to_str()).collect();
        assert_eq!(folders, ["/2", "/3", "/1", "/daemon"]);
        let path = site.module_path("", "g");
        let folders: Vec<&str> = path.folders.iter().filter_map(|folder| folder.to_str()).collect();
        assert_eq!((path.home.clone(), folders), (None, vec!["/1", "/own"]));
    }
}
