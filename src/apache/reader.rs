//! Reads configuration files into a tree of directives as httpd 2.4 does (`server/config.c`). Variables,
//! `Include`, `Define`, `LoadModule` and conditions take effect line by line.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::conditional_sections::{self, LoadedModules};
use super::configuration_source::resolve_path;
use super::launch_environment::LaunchEnvironment;
use super::lexer::{MAX_LINE, logical_lines, split_word, split_words, substitute_variables};
use super::macros::Macro;
use super::{ConfigurationError, ConfigurationSource};
use crate::model::ConfigLocation;

/// A directive or a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// In lower case; a section's name begins with `<`.
    pub name: String,
    /// The arguments, variables substituted; a section's without the closing `>`.
    pub args: String,
    /// Its file and line.
    pub place: ConfigLocation,
    /// The directives inside a section.
    pub children: Vec<Directive>,
    /// Undefined variables in the arguments.
    pub undefined: Vec<String>,
}

/// A configuration that was read.
#[derive(Clone, Debug, Default)]
pub struct ConfigurationTree {
    /// The directives at the top level, in order.
    pub directives: Vec<Directive>,
    /// Conditions that could not be evaluated and were taken as true, with an explanation.
    pub undecided: Vec<(ConfigLocation, String)>,
    /// The reader's state at the end, which `.htaccess` files are read with.
    pub(super) known: ReaderState,
}

/// State that affects how lines are read.
#[derive(Clone, Debug, Default)]
pub(super) struct ReaderState {
    /// `ServerRoot`: the base of relative paths.
    pub(super) root: PathBuf,
    defined: BTreeSet<String>,
    values: BTreeMap<String, String>,
    pub(super) modules: LoadedModules,
    macros: BTreeMap<String, Macro>,
    launch: LaunchEnvironment,
}

/// Names that Apache is started with (`-D`).
#[derive(Clone, Debug, Default)]
pub struct Definitions(pub Vec<String>);

/// `AP_MAX_INCLUDE_DEPTH` of httpd 2.4.
const MAX_DEPTH: usize = 128;

/// Limit on the total number of lines. No real configuration reaches it; files that include each other
/// repeatedly do.
const MAX_LINES: usize = 2_000_000;

/// Limit on the size of all lines, after variables are replaced.
const MAX_BYTES: usize = 64 << 20;

/// Limit of sections inside each other. What reads them calls itself for each.
const MAX_SECTIONS: usize = 128;

/// Limit of names read in folders for `Include`.
const MAX_LISTED: usize = 100_000;

/// Reads a configuration. Without `ServerRoot`, paths are relative to the file's folder, which is Debian's
/// layout. Definitions and variables also come from files beside it: Debian's `envvars`, the `apachectl` of
/// mod_wsgi-express.
///
/// # Errors
/// Apache would not start: a file is missing, a section is not closed, or includes are cyclic.
pub fn read_configuration(
    file: &Path,
    definitions: &Definitions,
    source: &dyn ConfigurationSource,
) -> Result<ConfigurationTree, ConfigurationError> {
    let launch = LaunchEnvironment::read_beside(file, source);
    let known = ReaderState {
        root: file.parent().unwrap_or(Path::new("/")).to_owned(),
        defined: definitions.0.iter().chain(&launch.definitions).cloned().collect(),
        launch,
        ..ReaderState::default()
    };
    let mut reader = ConfigurationReader::new(source, known);
    let start = ConfigLocation { file: file.to_owned(), line: 1 };
    let directives = reader.read_file(file, &start, 0)?;
    Ok(ConfigurationTree { directives, undecided: reader.undecided, known: reader.known })
}

/// Reads a `.htaccess`, with the reader's state at the end of the configuration.
///
/// # Errors
/// Apache would answer requests with status 500.
pub(super) fn read_htaccess(
    file: &Path,
    known: &ReaderState,
    source: &dyn ConfigurationSource,
) -> Result<Vec<Directive>, ConfigurationError> {
    let mut reader = ConfigurationReader::new(source, known.clone());
    let start = ConfigLocation { file: file.to_owned(), line: 1 };
    reader.read_file(file, &start, 0)
}

struct ConfigurationReader<'a> {
    source: &'a dyn ConfigurationSource,
    known: ReaderState,
    undecided: Vec<(ConfigLocation, String)>,
    lines: usize,
    /// Bytes of the lines, after variables were replaced.
    bytes: usize,
    /// Sections that are open now, in all files.
    sections: usize,
    /// Names read in folders.
    listed: Cell<usize>,
}

/// A section whose closing tag has not been read yet.
struct OpenSection {
    directive: Directive,
    kind: SectionHandling,
}

/// What the reader does with a section's content.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SectionHandling {
    /// Keeps it as children of the section.
    Section,
    /// Adds it to the enclosing section, as the condition is true.
    Kept,
    /// Skips it, as the condition is false.
    Skipped,
    /// Stores the lines of a macro until `Use`.
    Macro,
}

impl<'a> ConfigurationReader<'a> {
    fn new(source: &'a dyn ConfigurationSource, known: ReaderState) -> Self {
        let (undecided, listed) = (Vec::new(), Cell::new(0));
        Self { source, known, undecided, lines: 0, bytes: 0, sections: 0, listed }
    }

    fn read_file(
        &mut self,
        path: &Path,
        from: &ConfigLocation,
        depth: usize,
    ) -> Result<Vec<Directive>, ConfigurationError> {
        if depth > MAX_DEPTH {
            let what =
                format!("more than {MAX_DEPTH} files include each other: {} is a cycle", path.display());
            return Err(ConfigurationError::new(from, what));
        }
        let text = self.source.read_text(path);
        let text = text.map_err(|error| {
            ConfigurationError::new(from, format!("cannot read {}: {error}", path.display()))
        })?;
        if text.starts_with('\u{feff}') {
            let place = ConfigLocation { file: path.to_owned(), line: 1 };
            let what = "the file begins with a byte order mark, which Apache reads as part of a directive: \
                        save it without one";
            return Err(ConfigurationError::new(&place, what));
        }
        let placed = |(line, text)| (ConfigLocation { file: path.to_owned(), line }, text);
        self.read_lines(logical_lines(&text).map(placed), depth)
    }

    /// Reads lines with their locations, from a file or a macro.
    fn read_lines(
        &mut self,
        lines: impl Iterator<Item = (ConfigLocation, String)>,
        depth: usize,
    ) -> Result<Vec<Directive>, ConfigurationError> {
        let (mut top, mut open): (Vec<Directive>, Vec<OpenSection>) = (Vec::new(), Vec::new());
        let mut kept: Vec<(ConfigLocation, String)> = Vec::new();
        for (place, line) in lines {
            self.lines += 1;
            if self.lines > MAX_LINES {
                return Err(ConfigurationError::new(
                    &place,
                    format!("the configuration has more than {MAX_LINES} lines"),
                ));
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if open.last().is_some_and(|each| each.kind == SectionHandling::Macro) {
                if line.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("</macro")) {
                    let closed = close_section(&mut open, &line, &place)?;
                    self.sections = self.sections.saturating_sub(1);
                    let Directive { args, place, .. } = &closed.directive;
                    let defined = Macro::new(args, place, std::mem::take(&mut kept))?;
                    self.known.macros.insert(defined.name.clone(), defined);
                } else {
                    kept.push((place, line));
                }
                continue;
            }
            let is_skipped = open.iter().any(|each| each.kind == SectionHandling::Skipped);
            if line.starts_with("</") {
                let closed = close_section(&mut open, &line, &place)?;
                self.sections = self.sections.saturating_sub(1);
                let into = open.last_mut().map_or(&mut top, |each| &mut each.directive.children);
                match closed.kind {
                    SectionHandling::Section => into.push(closed.directive),
                    SectionHandling::Kept => into.extend(closed.directive.children),
                    SectionHandling::Skipped | SectionHandling::Macro => {}
                }
                continue;
            }
            let (line, undefined) = match is_skipped {
                true => (line, Vec::new()),
                false => self.replace_variables(&line, &place)?,
            };
            let (name, args) = split_word(&line);
            let directive = Directive {
                name: name.trim_end_matches('>').to_ascii_lowercase(),
                args: args.to_owned(),
                place,
                children: Vec::new(),
                undefined,
            };
            if name.starts_with('<') {
                let kind = match is_skipped {
                    true => SectionHandling::Skipped,
                    false => self.choose_section_handling(&directive)?,
                };
                let args = directive.args.trim_end().trim_end_matches('>').trim_end().to_owned();
                self.sections += 1;
                if self.sections > MAX_SECTIONS {
                    let what = format!("more than {MAX_SECTIONS} sections are nested");
                    return Err(ConfigurationError::new(&directive.place, what));
                }
                open.push(OpenSection { directive: Directive { args, ..directive }, kind });
            } else if !is_skipped {
                let found = self.process_directive(directive, depth)?;
                open.last_mut().map_or(&mut top, |each| &mut each.directive.children).extend(found);
            }
        }
        match open.pop() {
            Some(each) => {
                let what = format!("{}> is not closed in this file", each.directive.name);
                Err(ConfigurationError::new(&each.directive.place, what))
            }
            None => Ok(top),
        }
    }

    /// Replaces the variables of a line. Returns the undefined ones too.
    fn replace_variables(
        &mut self,
        line: &str,
        place: &ConfigLocation,
    ) -> Result<(String, Vec<String>), ConfigurationError> {
        let replaced = substitute_variables(line, |name| self.find_variable(name)).ok_or_else(|| {
            ConfigurationError::new(place, format!("the line has more than {MAX_LINE} bytes"))
        })?;
        self.bytes += replaced.0.len();
        match self.bytes > MAX_BYTES {
            true => Err(ConfigurationError::new(
                place,
                format!("the configuration has more than {MAX_BYTES} bytes"),
            )),
            false => Ok(replaced),
        }
    }

    fn find_variable(&self, name: &str) -> Option<String> {
        let values = &self.known.values;
        let known = values.get(name).or_else(|| self.known.launch.variables.get(name));
        known.cloned().or_else(|| self.source.environment_variable(name))
    }

    /// Processes a directive that takes effect while reading. Returns the directives it expands to, or the
    /// directive itself.
    fn process_directive(
        &mut self,
        directive: Directive,
        depth: usize,
    ) -> Result<Vec<Directive>, ConfigurationError> {
        let arguments = split_words(&directive.args);
        let first = arguments.first().map(String::as_str).unwrap_or_default();
        let wrong = |what: &str| Err(ConfigurationError::new(&directive.place, what));
        match directive.name.as_str() {
            "include" | "includeoptional" if arguments.len() != 1 => wrong("Include takes one path"),
            "include" => self.include_files(&directive, first, false, depth),
            "includeoptional" => self.include_files(&directive, first, true, depth),
            "serverroot" => {
                self.known.root = resolve_path(&self.known.root, first);
                Ok(Vec::new())
            }
            "define" => {
                self.known.defined.insert(first.to_owned());
                if let Some(value) = arguments.get(1) {
                    self.known.values.insert(first.to_owned(), value.clone());
                }
                Ok(Vec::new())
            }
            "undefine" => {
                self.known.defined.remove(first);
                self.known.values.remove(first);
                Ok(Vec::new())
            }
            "loadmodule" => {
                let Some(file) = arguments.get(1) else { return wrong("LoadModule takes a name and a file") };
                self.known.modules.add_module(first, file);
                Ok(vec![directive])
            }
            "undefmacro" => {
                self.known.macros.remove(&first.to_ascii_lowercase());
                Ok(Vec::new())
            }
            "use" => self.expand_macro(&directive, &arguments, depth),
            _ => Ok(vec![directive]),
        }
    }

    /// `Use`: expands a macro.
    fn expand_macro(
        &mut self,
        directive: &Directive,
        arguments: &[String],
        depth: usize,
    ) -> Result<Vec<Directive>, ConfigurationError> {
        let wrong = |what: String| Err(ConfigurationError::new(&directive.place, what));
        let Some((name, arguments)) = arguments.split_first() else {
            return wrong("Use takes the name of a macro".to_owned());
        };
        if depth > MAX_DEPTH {
            return wrong(format!("more than {MAX_DEPTH} macros use each other: {name} is a cycle"));
        }
        let Some(found) = self.known.macros.get(&name.to_ascii_lowercase()) else {
            return wrong(format!("there is no macro {name} above this line"));
        };
        let lines =
            found.expand_lines(arguments).map_err(|what| ConfigurationError::new(&directive.place, what))?;
        self.read_lines(lines.into_iter(), depth + 1)
    }

    /// `Include`: a file, a folder with everything in it, or a pattern whose wildcards do not match `/`.
    fn include_files(
        &mut self,
        directive: &Directive,
        named: &str,
        is_optional: bool,
        depth: usize,
    ) -> Result<Vec<Directive>, ConfigurationError> {
        if let Some(variable) = directive.undefined.first() {
            let what = format!("{named} was not included: the variable {variable} is not defined");
            self.undecided.push((directive.place.clone(), what));
            return Ok(Vec::new());
        }
        let path = resolve_path(&self.known.root, named);
        let text = path.to_string_lossy().into_owned();
        let is_pattern = text.contains(['*', '?', '[']);
        let files = match is_pattern {
            false if is_optional && !self.source.exists(&path) => Vec::new(),
            false => self.list_files(path, &directive.place)?,
            true => {
                let mut found = Vec::new();
                self.expand_pattern(Path::new("/"), &split_path(&text), &mut found);
                if self.listed.get() > MAX_LISTED {
                    let what = format!("{text} matches in more than {MAX_LISTED} files and folders");
                    return Err(ConfigurationError::new(&directive.place, what));
                }
                if found.is_empty() && !is_optional {
                    let what = format!("no file matches {text} (IncludeOptional allows that)");
                    return Err(ConfigurationError::new(&directive.place, what));
                }
                let mut files = Vec::new();
                for path in found {
                    files.extend(self.list_files(path, &directive.place)?);
                }
                files
            }
        };
        let mut all = Vec::new();
        for file in files {
            all.extend(self.read_file(&file, &directive.place, depth + 1)?);
        }
        Ok(all)
    }

    /// Returns the file, or all files below the folder, in order.
    fn list_files(&self, path: PathBuf, place: &ConfigLocation) -> Result<Vec<PathBuf>, ConfigurationError> {
        let (mut files, mut left) = (Vec::new(), vec![(path, 0)]);
        while let Some((path, depth)) = left.pop() {
            if !self.source.is_folder(&path) {
                files.push(path);
                continue;
            }
            let names = self.list_folder(&path).map_err(|error| error.to_string());
            let names =
                if depth > MAX_DEPTH { Err("folders are nested too deeply".to_owned()) } else { names };
            let mut names = names.map_err(|error| {
                ConfigurationError::new(place, format!("cannot read {}: {error}", path.display()))
            })?;
            names.sort_by(|a, b| b.cmp(a));
            left.extend(names.into_iter().map(|name| (path.join(name), depth + 1)));
        }
        Ok(files)
    }

    /// Lists a folder, as long as not too many names were listed.
    fn list_folder(&self, folder: &Path) -> io::Result<Vec<String>> {
        if self.listed.get() > MAX_LISTED {
            return Err(io::Error::other(format!("Include lists more than {MAX_LISTED} files and folders")));
        }
        let names = self.source.list_folder(folder)?;
        self.listed.set(self.listed.get() + names.len());
        Ok(names)
    }

    /// Finds the paths that match the components of a pattern, in order.
    fn expand_pattern(&self, folder: &Path, parts: &[String], found: &mut Vec<PathBuf>) {
        let Some((part, rest)) = parts.split_first() else {
            found.push(folder.to_owned());
            return;
        };
        if !part.contains(['*', '?', '[']) {
            let path = folder.join(part);
            if self.source.exists(&path) {
                self.expand_pattern(&path, rest, found);
            }
            return;
        }
        let Ok(pattern) = Pattern::new(part) else { return };
        // httpd passes APR_FNM_PERIOD: a wildcard does not match a leading period.
        let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
        let mut names = self.list_folder(folder).unwrap_or_default();
        names.retain(|name| pattern.matches_with(name, options));
        names.sort();
        for name in names {
            let path = folder.join(name);
            if rest.is_empty() || self.source.is_folder(&path) {
                self.expand_pattern(&path, rest, found);
            }
        }
    }

    /// Decides what to do with a section's content. A condition that cannot be evaluated is taken as true and
    /// recorded.
    fn choose_section_handling(
        &mut self,
        section: &Directive,
    ) -> Result<SectionHandling, ConfigurationError> {
        let Some(args) = section.args.trim_end().strip_suffix('>') else {
            let is_short = section.args.is_empty();
            return match is_short {
                true => Ok(SectionHandling::Section),
                false => Err(ConfigurationError::new(
                    &section.place,
                    format!("{} lacks its closing '>'", section.name),
                )),
            };
        };
        let arguments = split_words(args);
        let first = arguments.first().map(String::as_str).unwrap_or_default();
        let (is_negated, name) = match first.strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, first),
        };
        let holds = match section.name.as_str() {
            "<ifmodule" => Some(self.known.modules.has_module(name) != is_negated),
            "<ifdefine" => Some(self.known.defined.contains(name) != is_negated),
            "<iffile" => Some(self.source.exists(&resolve_path(&self.known.root, name)) != is_negated),
            "<ifversion" => conditional_sections::evaluate_version(&arguments),
            "<ifdirective" | "<ifsection" => None,
            "<macro" => return Ok(SectionHandling::Macro),
            _ => return Ok(SectionHandling::Section),
        };
        if holds.is_none() {
            let what = format!("{} {}> could not be evaluated: taken as true", section.name, args.trim());
            self.undecided.push((section.place.clone(), what));
        }
        Ok(if holds.unwrap_or(true) { SectionHandling::Kept } else { SectionHandling::Skipped })
    }
}

/// Returns the components of an absolute path.
fn split_path(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn close_section(
    open: &mut Vec<OpenSection>,
    line: &str,
    place: &ConfigLocation,
) -> Result<OpenSection, ConfigurationError> {
    let name = line.trim_start_matches("</").trim_end_matches('>').trim();
    let Some(last) = open.pop() else {
        return Err(ConfigurationError::new(place, format!("</{name}> has no opening tag")));
    };
    let wanted = last.directive.name.trim_start_matches('<');
    if !name.eq_ignore_ascii_case(wanted) {
        let (opened, line) = (&last.directive.name, last.directive.place.line);
        return Err(ConfigurationError::new(
            place,
            format!("</{name}> does not close {opened}> of line {line}"),
        ));
    }
    if !line.ends_with('>') {
        return Err(ConfigurationError::new(place, format!("</{name} lacks its closing '>'")));
    }
    Ok(last)
}
