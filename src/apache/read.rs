//! From files to a tree of directives, as Apache reads them (httpd 2.4, `server/config.c`): variables, `Include`,
//! `Define`, `LoadModule` and conditions take effect line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::conditions::{self, Modules};
use super::launch::Launch;
use super::line::{lines, resolve, word, words};
use super::macros::Macro;
use super::source::below;
use super::{Problem, Source};
use crate::model::ConfigPlace;

/// A directive, or a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// In lower case; a section's begins with `<`.
    pub name: String,
    /// What follows the name, variables resolved; of a section, without the `>`.
    pub args: String,
    /// Where it stands.
    pub place: ConfigPlace,
    /// Of a section.
    pub children: Vec<Directive>,
    /// Variables in it that are not defined here.
    pub undefined: Vec<String>,
}

/// A configuration, read.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// In order.
    pub directives: Vec<Directive>,
    /// Conditions that could not be decided, in words; taken as true.
    pub undecided: Vec<(ConfigPlace, String)>,
    /// What was known at the end: a `.htaccess` is read with that.
    pub(super) known: Known,
}

/// What lines are read with.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// `ServerRoot`: what paths are relative to.
    pub(super) root: PathBuf,
    defined: BTreeSet<String>,
    values: BTreeMap<String, String>,
    pub(super) modules: Modules,
    macros: BTreeMap<String, Macro>,
    launch: Launch,
}

/// What Apache is started with.
#[derive(Clone, Debug, Default)]
pub struct Definitions(pub Vec<String>);

/// `AP_MAX_INCLUDE_DEPTH` of httpd 2.4.
const DEPTH: usize = 128;

/// Lines of a whole configuration: more than any has, fewer than files that include each other could come to.
const LINES: usize = 2_000_000;

/// Reads a configuration. Without `ServerRoot`, paths are relative to the file's folder, as Debian lays it out. What Apache is
/// started with is read too where a file beside it says so: Debian's `envvars`, the `apachectl` of mod_wsgi-express.
///
/// # Errors
/// What Apache would not start with: a file that is not there, a section that is not closed, includes without end.
pub fn read(file: &Path, definitions: &Definitions, source: &dyn Source) -> Result<Tree, Problem> {
    let launch = Launch::beside(file, source);
    let known = Known {
        root: file.parent().unwrap_or(Path::new("/")).to_owned(),
        defined: definitions.0.iter().chain(&launch.definitions).cloned().collect(),
        launch,
        ..Known::default()
    };
    let mut reader = Reader { source, known, undecided: Vec::new(), lines: 0 };
    let start = ConfigPlace { file: file.to_owned(), line: 1 };
    let directives = reader.file(file, &start, 0)?;
    Ok(Tree { directives, undecided: reader.undecided, known: reader.known })
}

/// Reads a `.htaccess`, with what the configuration has made known.
///
/// # Errors
/// What Apache would answer requests with 500 for.
pub(super) fn read_htaccess(
    file: &Path,
    known: &Known,
    source: &dyn Source,
) -> Result<Vec<Directive>, Problem> {
    let mut reader = Reader { source, known: known.clone(), undecided: Vec::new(), lines: 0 };
    let start = ConfigPlace { file: file.to_owned(), line: 1 };
    reader.file(file, &start, 0)
}

struct Reader<'a> {
    source: &'a dyn Source,
    known: Known,
    undecided: Vec<(ConfigPlace, String)>,
    lines: usize,
}

/// A section that is open.
struct Open {
    directive: Directive,
    kind: Kind,
}

/// What becomes of a section's content.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It stays inside.
    Section,
    /// It goes to the section around.
    Kept,
    /// It is not read.
    Skipped,
    /// Its lines are kept until they are used.
    Macro,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, from: &ConfigPlace, depth: usize) -> Result<Vec<Directive>, Problem> {
        if depth > DEPTH {
            let what = format!("more than {DEPTH} files include each other: {} is a cycle", path.display());
            return Err(Problem::new(from, what));
        }
        let text = self.source.read(path);
        let text =
            text.map_err(|error| Problem::new(from, format!("cannot read {}: {error}", path.display())))?;
        if text.starts_with('\u{feff}') {
            let place = ConfigPlace { file: path.to_owned(), line: 1 };
            let what =
                "the file begins with a byte order mark, which Apache takes for a directive: save it without";
            return Err(Problem::new(&place, what));
        }
        let placed = |(line, text)| (ConfigPlace { file: path.to_owned(), line }, text);
        self.body(lines(&text).map(placed), depth)
    }

    /// Lines with their places: of a file, or of a macro.
    fn body(
        &mut self,
        lines: impl Iterator<Item = (ConfigPlace, String)>,
        depth: usize,
    ) -> Result<Vec<Directive>, Problem> {
        let (mut top, mut open): (Vec<Directive>, Vec<Open>) = (Vec::new(), Vec::new());
        let mut kept: Vec<(ConfigPlace, String)> = Vec::new();
        for (place, line) in lines {
            self.lines += 1;
            if self.lines > LINES {
                return Err(Problem::new(&place, format!("the configuration has more than {LINES} lines")));
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if open.last().is_some_and(|each| each.kind == Kind::Macro) {
                if line.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("</macro")) {
                    let closed = close(&mut open, &line, &place)?;
                    let defined = Macro::new(&closed.directive, std::mem::take(&mut kept))?;
                    self.known.macros.insert(defined.name.clone(), defined);
                } else {
                    kept.push((place, line));
                }
                continue;
            }
            let is_skipped = open.iter().any(|each| each.kind == Kind::Skipped);
            if line.starts_with("</") {
                let closed = close(&mut open, &line, &place)?;
                let into = open.last_mut().map_or(&mut top, |each| &mut each.directive.children);
                match closed.kind {
                    Kind::Section => into.push(closed.directive),
                    Kind::Kept => into.extend(closed.directive.children),
                    Kind::Skipped | Kind::Macro => {}
                }
                continue;
            }
            let (line, undefined) = match is_skipped {
                true => (line, Vec::new()),
                false => resolve(&line, |name| self.value(name)),
            };
            let (name, args) = word(&line);
            let directive = Directive {
                name: name.trim_end_matches('>').to_ascii_lowercase(),
                args: args.to_owned(),
                place,
                children: Vec::new(),
                undefined,
            };
            if name.starts_with('<') {
                let kind = match is_skipped {
                    true => Kind::Skipped,
                    false => self.kind(&directive)?,
                };
                let args = directive.args.trim_end().trim_end_matches('>').trim_end().to_owned();
                open.push(Open { directive: Directive { args, ..directive }, kind });
            } else if !is_skipped {
                let found = self.directive(directive, depth)?;
                open.last_mut().map_or(&mut top, |each| &mut each.directive.children).extend(found);
            }
        }
        match open.pop() {
            Some(each) => {
                let what = format!("{}> is not closed in this file", each.directive.name);
                Err(Problem::new(&each.directive.place, what))
            }
            None => Ok(top),
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        let values = &self.known.values;
        let known = values.get(name).or_else(|| self.known.launch.variables.get(name));
        known.cloned().or_else(|| self.source.variable(name))
    }

    /// Does what takes effect while reading; the directives that this comes to.
    fn directive(&mut self, directive: Directive, depth: usize) -> Result<Vec<Directive>, Problem> {
        let arguments = words(&directive.args);
        let first = arguments.first().map(String::as_str).unwrap_or_default();
        let wrong = |what: &str| Err(Problem::new(&directive.place, what));
        match directive.name.as_str() {
            "include" | "includeoptional" if arguments.len() != 1 => wrong("Include takes one path"),
            "include" => self.include(&directive, first, false, depth),
            "includeoptional" => self.include(&directive, first, true, depth),
            "serverroot" => {
                self.known.root = below(&self.known.root, first);
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
                self.known.modules.load(first, file);
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

    /// `Use`: the lines of a macro, with the arguments put in.
    fn expand_macro(
        &mut self,
        directive: &Directive,
        arguments: &[String],
        depth: usize,
    ) -> Result<Vec<Directive>, Problem> {
        let wrong = |what: String| Err(Problem::new(&directive.place, what));
        let Some((name, arguments)) = arguments.split_first() else {
            return wrong("Use takes the name of a macro".to_owned());
        };
        if depth > DEPTH {
            return wrong(format!("more than {DEPTH} macros use each other: {name} is a cycle"));
        }
        let Some(found) = self.known.macros.get(&name.to_ascii_lowercase()) else {
            return wrong(format!("there is no macro {name} above this line"));
        };
        let lines = found.expanded(arguments).map_err(|what| Problem::new(&directive.place, what))?;
        self.body(lines.into_iter(), depth + 1)
    }

    /// `Include`: a file, a folder with all that is in it, or a pattern whose wildcards do not match `/`.
    fn include(
        &mut self,
        directive: &Directive,
        named: &str,
        is_optional: bool,
        depth: usize,
    ) -> Result<Vec<Directive>, Problem> {
        if let Some(variable) = directive.undefined.first() {
            let what = format!("{named} was not read: the variable {variable} is not defined here");
            self.undecided.push((directive.place.clone(), what));
            return Ok(Vec::new());
        }
        let path = below(&self.known.root, named);
        let text = path.to_string_lossy().into_owned();
        let is_pattern = text.contains(['*', '?', '[']);
        let files = match is_pattern {
            false if is_optional && !self.source.exists(&path) => Vec::new(),
            false => self.files_of(path, &directive.place)?,
            true => {
                let mut found = Vec::new();
                self.expand(Path::new("/"), &parts(&text), &mut found);
                if found.is_empty() && !is_optional {
                    let what = format!("nothing matches {text} (IncludeOptional would not mind)");
                    return Err(Problem::new(&directive.place, what));
                }
                let mut files = Vec::new();
                for path in found {
                    files.extend(self.files_of(path, &directive.place)?);
                }
                files
            }
        };
        let mut all = Vec::new();
        for file in files {
            all.extend(self.file(&file, &directive.place, depth + 1)?);
        }
        Ok(all)
    }

    /// A file, or all files below a folder in order.
    fn files_of(&self, path: PathBuf, place: &ConfigPlace) -> Result<Vec<PathBuf>, Problem> {
        let (mut files, mut left) = (Vec::new(), vec![(path, 0)]);
        while let Some((path, depth)) = left.pop() {
            if !self.source.is_folder(&path) {
                files.push(path);
                continue;
            }
            let names = self.source.list(&path).map_err(|error| error.to_string());
            let names = if depth > DEPTH { Err("folders without end".to_owned()) } else { names };
            let mut names = names
                .map_err(|error| Problem::new(place, format!("cannot read {}: {error}", path.display())))?;
            names.sort_by(|a, b| b.cmp(a));
            left.extend(names.into_iter().map(|name| (path.join(name), depth + 1)));
        }
        Ok(files)
    }

    /// What a pattern's parts match below a folder, in order.
    fn expand(&self, folder: &Path, parts: &[String], found: &mut Vec<PathBuf>) {
        let Some((part, rest)) = parts.split_first() else {
            found.push(folder.to_owned());
            return;
        };
        if !part.contains(['*', '?', '[']) {
            let path = folder.join(part);
            if self.source.exists(&path) {
                self.expand(&path, rest, found);
            }
            return;
        }
        let Ok(pattern) = Pattern::new(part) else { return };
        // APR_FNM_PERIOD: a wildcard does not match a leading period.
        let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
        let mut names = self.source.list(folder).unwrap_or_default();
        names.retain(|name| pattern.matches_with(name, options));
        names.sort();
        for name in names {
            let path = folder.join(name);
            if rest.is_empty() || self.source.is_folder(&path) {
                self.expand(&path, rest, found);
            }
        }
    }

    /// What becomes of a section's content. What cannot be decided is taken as true, and said.
    fn kind(&mut self, section: &Directive) -> Result<Kind, Problem> {
        let Some(args) = section.args.trim_end().strip_suffix('>') else {
            let is_short = section.args.is_empty();
            return match is_short {
                true => Ok(Kind::Section),
                false => Err(Problem::new(&section.place, format!("{} lacks its closing '>'", section.name))),
            };
        };
        let arguments = words(args);
        let first = arguments.first().map(String::as_str).unwrap_or_default();
        let (is_negated, name) = match first.strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, first),
        };
        let holds = match section.name.as_str() {
            "<ifmodule" => Some(self.known.modules.has(name) != is_negated),
            "<ifdefine" => Some(self.known.defined.contains(name) != is_negated),
            "<iffile" => Some(self.source.exists(&below(&self.known.root, name)) != is_negated),
            "<ifversion" => conditions::version(&arguments),
            "<ifdirective" | "<ifsection" => None,
            "<macro" => return Ok(Kind::Macro),
            _ => return Ok(Kind::Section),
        };
        if holds.is_none() {
            let what = format!("{} {}> was not decided: taken as true", section.name, args.trim());
            self.undecided.push((section.place.clone(), what));
        }
        Ok(if holds.unwrap_or(true) { Kind::Kept } else { Kind::Skipped })
    }
}

/// The parts of an absolute path between slashes.
fn parts(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn close(open: &mut Vec<Open>, line: &str, place: &ConfigPlace) -> Result<Open, Problem> {
    let name = line.trim_start_matches("</").trim_end_matches('>').trim();
    let Some(last) = open.pop() else {
        return Err(Problem::new(place, format!("</{name}> closes nothing")));
    };
    let wanted = last.directive.name.trim_start_matches('<');
    if !name.eq_ignore_ascii_case(wanted) {
        let (opened, line) = (&last.directive.name, last.directive.place.line);
        return Err(Problem::new(place, format!("</{name}> where {opened}> of line {line} is to be closed")));
    }
    if !line.ends_with('>') {
        return Err(Problem::new(place, format!("</{name} lacks its closing '>'")));
    }
    Ok(last)
}
