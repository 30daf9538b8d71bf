//! README and docs/: their examples, links and generated parts are right. `WSGIAUDIT_REWRITE=1` rewrites what is
//! generated.

mod design;
mod examples;
mod reference;

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A page of Markdown.
pub(crate) struct Page {
    /// Relative to the repository.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A fenced code block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The language after the fence.
    pub(crate) language: String,
    pub(crate) code: String,
    /// Of the whole block, fences included.
    range: Range<usize>,
    /// Where it stands, for messages: `docs/ci.md:7`.
    pub(crate) location: String,
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        let text =
            fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self { path: path.into(), text }
    }

    fn events(&self) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES).into_offset_iter()
    }

    fn location(&self, offset: usize) -> String {
        format!("{}:{}", self.path.display(), self.text[..offset].matches('\n').count() + 1)
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut is_inside = false;
        for (event, range) in self.events() {
            if let Event::Start(Tag::CodeBlock(kind)) = &event {
                let language = if let CodeBlockKind::Fenced(language) = kind {
                    language.to_string()
                } else {
                    String::new()
                };
                let location = self.location(range.start);
                blocks.push(Block { language, code: String::new(), range, location });
                is_inside = true;
            } else if let Event::End(TagEnd::CodeBlock) = event {
                is_inside = false;
            } else if let (true, Event::Text(text)) = (is_inside, event) {
                blocks.last_mut().unwrap().code += &text;
            }
        }
        blocks
    }

    /// Inline code, with its location.
    pub(crate) fn inline_code(&self) -> Vec<(String, String)> {
        let code = self.events().filter_map(|(event, range)| {
            if let Event::Code(code) = event {
                Some((code.to_string(), self.location(range.start)))
            } else {
                None
            }
        });
        code.collect()
    }

    /// Where links and pictures lead, with their locations.
    fn links(&self) -> Vec<(String, String)> {
        let links = self.events().filter_map(|(event, range)| {
            let (Event::Start(Tag::Link { dest_url, .. }) | Event::Start(Tag::Image { dest_url, .. })) =
                event
            else {
                return None;
            };
            Some((dest_url.to_string(), self.location(range.start)))
        });
        links.collect()
    }

    /// The ids of its headings, as GitHub and mdBook make them.
    fn anchors(&self) -> BTreeSet<String> {
        let (mut anchors, mut heading) = (BTreeSet::new(), None::<String>);
        for (event, _) in self.events() {
            if let Event::Start(Tag::Heading { .. }) = event {
                heading = Some(String::new());
            } else if let Event::End(TagEnd::Heading(_)) = event {
                anchors.extend(heading.take().map(|heading| anchor(&heading)));
            } else if let (Some(heading), Event::Text(text) | Event::Code(text)) = (&mut heading, event) {
                heading.push_str(&text);
            }
        }
        anchors
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        letter if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

/// Every page of the repository that is written for people.
pub(crate) fn pages() -> Vec<Page> {
    let mut pages =
        Vec::from(["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(Page::read));
    pages.extend(book());
    pages
}

/// The pages of the book.
fn book() -> Vec<Page> {
    let names = fs::read_dir(Path::new(ROOT).join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".md"));
    names.sort();
    names.iter().map(|name| Page::read(&format!("docs/{name}"))).collect()
}

fn is_rewriting() -> bool {
    std::env::var_os("WSGIAUDIT_REWRITE").is_some()
}

/// Panics unless a generated file is up to date.
#[track_caller]
pub(crate) fn check_generated(path: &str, text: &str) {
    let file = Path::new(ROOT).join(path);
    if is_rewriting() {
        fs::write(&file, text).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == text, "{path} is stale: WSGIAUDIT_REWRITE=1 cargo test documentation:: writes it");
}

/// Panics unless what stands between `<!-- generated: NAME -->` and `<!-- end -->` is this text.
#[track_caller]
pub(crate) fn check_generated_part(path: &str, name: &str, text: &str) {
    let page = Page::read(path).text;
    let begin = format!("<!-- generated: {name} -->\n");
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("{path} has no {begin}"));
    let (_, after) = rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("{path}: {name} has no end"));
    check_generated(path, &format!("{before}{begin}{text}<!-- end -->{after}"));
}

/// Panics unless the first `text` block of a page is this text.
#[track_caller]
pub(crate) fn check_output(path: &str, text: &str) {
    let page = Page::read(path);
    let block = page.blocks().into_iter().find(|block| block.language == "text");
    let range = block.unwrap_or_else(|| panic!("{path} has no text block")).range;
    let (before, after) = (&page.text[..range.start], &page.text[range.end..]);
    let text = format!("{before}```text\n{}\n```{after}", text.trim_end());
    if without_crashes(&page.text) != without_crashes(&text) {
        check_generated(path, &text);
    }
}

/// The lines of a page, without the reasons that tell of a crash: which import and which function it hits is a matter of
/// chance. A reason goes on in lines that are indented further.
fn without_crashes(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("       "), lines.last_mut()) {
            (Some(rest), Some(reason)) => *reason = format!("{reason} {rest}"),
            (Some(_) | None, _) => lines.push(line.to_owned()),
        }
    }
    lines.retain(|line| !line.contains("(SIG"));
    lines
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        for (link, location) in page.links() {
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(file, id)| (file, Some(id)));
            let folder = page.path.parent().unwrap();
            let path = if file.is_empty() { page.path.clone() } else { folder.join(file) };
            assert!(Path::new(ROOT).join(&path).exists(), "{location}: {link} leads nowhere");
            if folder == Path::new("docs") {
                let is_inside = path.parent() == Some(folder);
                assert!(is_inside, "{location}: {link} leads out of the book, where it does not exist");
            }
            if let Some(anchor) = anchor {
                let target = Page::read(path.to_str().unwrap());
                assert!(target.anchors().contains(anchor), "{location}: {link} names no heading");
            }
        }
    }
}

#[test]
fn the_summary_lists_every_page_once() {
    let links = Page::read("docs/SUMMARY.md").links().into_iter().map(|(link, _)| format!("docs/{link}"));
    let mut listed: Vec<String> = links.collect();
    listed.sort();
    let pages = book().into_iter().map(|page| page.path.to_str().unwrap().to_owned());
    let pages: Vec<String> = pages.filter(|path| path != "docs/SUMMARY.md").collect();
    assert_eq!(listed, pages);
}

#[test]
fn each_test_of_the_newcomers_checklist_exists() {
    let sources = walkdir::WalkDir::new(Path::new(ROOT).join("tests")).into_iter().flatten();
    let sources = sources.filter(|entry| entry.path().extension().is_some_and(|suffix| suffix == "rs"));
    let sources: String = sources.map(|entry| fs::read_to_string(entry.path()).unwrap()).collect();
    let page = Page::read("docs/newcomers.md");
    let rows = page.text.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut count = 0;
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for test in tests.split(", ").map(|test| test.trim_matches('`')) {
            assert!(sources.contains(&format!("fn {test}()")), "docs/newcomers.md: there is no test {test}");
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
}

#[test]
fn every_path_and_make_target_that_is_named_exists() {
    let makefile = fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    let roots = ["src/", "probes/", "tests/", "corpus/", "reports/", "docs/", ".github/", ".ci/"];
    for page in pages().iter().filter(|page| page.path != Path::new("CHANGELOG.md")) {
        for (code, location) in page.inline_code() {
            let is_pattern =
                code.contains(['*', ' ', '<']) || code.contains("NAME") || code.contains("GROUP");
            if roots.iter().any(|root| code.starts_with(root)) && !is_pattern {
                let made = ["reports/demo.json"].contains(&code.as_str());
                assert!(made || Path::new(ROOT).join(&code).exists(), "{location}: there is no {code}");
            }
            let mut words = code.split(' ').skip_while(|word| word.contains('='));
            if words.next() == Some("make") {
                let targets = words.filter(|word| !word.starts_with('-') && !word.contains('='));
                for target in targets {
                    let is_target = makefile.contains(&format!("\n{target}:"));
                    assert!(is_target, "{location}: the Makefile has no target {target}");
                }
            }
        }
    }
}

#[test]
fn the_picture_shows_real_verdicts() {
    let picture = fs::read_to_string(Path::new(ROOT).join("docs/audit.svg")).unwrap();
    let report = Page::read("docs/reading-a-report.md");
    let modes = ["shared-gil", "own-gil"];
    let mut rows = 0;
    for part in picture.split("data-row=\"").skip(1) {
        let (row, rest) = part.split_once("\">").unwrap();
        let shown = rest.split('<').next().unwrap();
        let (name, mode) = row.split_once(' ').unwrap();
        let line =
            report.text.lines().find(|line| line.trim_start().starts_with(&format!("{name} "))).unwrap();
        // Name, version, modules and declaration come first; columns are two spaces or more apart.
        let columns: Vec<&str> =
            line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
        let index = modes.iter().position(|each| *each == mode).unwrap();
        assert_eq!(columns[4 + index], shown, "docs/audit.svg: {row}: {line}");
        rows += 1;
    }
    assert_eq!(rows, 8);
}
