//! The HTML page, in a real Chromium: `tests/fixtures/golden/report.json` and what can be made of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wsgiaudit::model::{ExtensionFileClass, OutcomeKind};

use crate::support::browser::Browser;
use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

/// The names of the rows that are shown, in order.
const SHOWN: &str =
    "[...document.querySelectorAll('.row:not([hidden]) .name')].map(each => each.textContent)";
const COUNT: &str = "document.getElementById('page:count').textContent";

/// The one of all golden files (`tests/render/formats.rs`).
fn report() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/report.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// A page in a folder of its own.
struct Page {
    folder: tempfile::TempDir,
}

impl Page {
    fn of(report: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        fs::write(&file, report.to_string()).unwrap();
        let page = folder.path().join("report.html");
        let render = Wsgiaudit::new().arg("render").arg(&file).args(["--format", "html", "-o"]).arg(&page);
        render.run().ended_with(1);
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("report.html")
    }
}

#[test]
fn an_audit_writes_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("audit.html");
    let venv = Venv::new().with("no-slot").with("well-behaved");
    Wsgiaudit::new().arg(venv.path()).args(["--format", "html", "-o"]).arg(&page).run().ended_with(1);
    let browser = Browser::start();
    browser.looks(1280, 800, "light").open(&page, "");
    assert_eq!(browser.names(SHOWN), ["corpus-no-slot", "corpus-well-behaved"]);
    browser.was_quiet();
}

#[test]
fn answers_and_root_causes_come_first() {
    let (browser, page) = (Browser::start(), Page::of(&report()));
    browser.looks(1280, 1000, "light").open(&page.file(), "");
    let modes =
        browser.names("[...document.querySelectorAll('.answer .mode b')].map(each => each.textContent)");
    assert_eq!(modes, ["own-gil", "shared-gil", "free-threaded", "free-threaded-group"]);
    let answers = browser.names("[...document.querySelectorAll('.headline')].map(each => each.textContent)");
    assert_eq!(answers, ["No", "No", "No", "No"]);
    let columns = browser
        .names("[...document.querySelectorAll('thead tr:first-child th')].map(each => each.dataset.sort)");
    assert_eq!(columns[4..], ["own-gil", "shared-gil", "free-threaded", "free-threaded-group", "main"]);
    let gain = |owner: &str| {
        browser.text(&format!(
            "[...document.querySelector('.mode-causes').querySelectorAll('.cause > summary')]
                .find(each => each.querySelector('b').textContent === '{owner}').querySelector('.gain').textContent"
        ))
    };
    // What it would free are others than its own distribution.
    assert_eq!(gain("corpus-no-slot"), "blocks 2 others, would free 1");
    assert_eq!(gain("corpus-guard-pyo3"), "blocks no other");
    browser.screenshot("1280-light");
    browser.was_quiet();
}

#[test]
fn each_column_sorts_and_says_so() {
    let mut report = report();
    for (number, distribution) in report["distributions"].as_array_mut().unwrap().iter_mut().enumerate() {
        distribution["version"] = json!(format!("1.{number}"));
    }
    let (browser, page) = (Browser::start(), Page::of(&report));
    browser.looks(1280, 1000, "light").open(&page.file(), "");
    let audited = browser.names(SHOWN);
    let columns = browser.names("[...document.querySelectorAll('thead th')].map(each => each.dataset.sort)");
    assert_eq!(columns.len(), 10);
    for column in &columns {
        let header = format!("th[data-sort='{column}']");
        let sorted = |direction: &str| {
            browser.click(&format!("{header} button"));
            browser.holds(&format!("document.querySelector(\"{header}\").ariaSort === '{direction}'"));
            browser.holds("document.querySelectorAll('[aria-sort]').length === 1");
            let text = browser.text(COUNT);
            assert!(text.contains(&format!("sorted by {column}")), "{text}");
            browser.names(SHOWN)
        };
        let (up, down) = (sorted("ascending"), sorted("descending"));
        assert_ne!(up, down, "{column}");
        let mut same = up.clone();
        same.sort_unstable();
        let mut all = audited.clone();
        all.sort_unstable();
        assert_eq!(same, all, "{column}");
        if column == "version" {
            assert_eq!(up, audited, "1.10 is after 1.9");
        }
        if column == "name" {
            assert_eq!(up, all);
            all.reverse();
            assert_eq!(down, all);
        }
    }
    // A mode's column: worst first.
    browser.click("th[data-sort='free-threaded'] button");
    let ranks = browser.ask(
        "[...document.querySelectorAll('.row [data-mode=free-threaded]')].map(each => +each.dataset.rank)",
    );
    let ranks: Vec<u64> = ranks.as_array().unwrap().iter().map(|rank| rank.as_u64().unwrap()).collect();
    assert!(ranks.is_sorted() && ranks.first() < ranks.last(), "{ranks:?}");
    browser.click("#page\\:reset");
    assert_eq!(browser.names(SHOWN), audited);
    browser.was_quiet();
}

#[test]
fn search_and_filters_leave_what_fits_and_count_it() {
    let (browser, page) = (Browser::start(), Page::of(&report()));
    browser.looks(1280, 1000, "light").open(&page.file(), "");
    let all = browser.names(SHOWN).len();
    browser.click("#page\\:search");
    browser.enter("hang-in");
    assert_eq!(browser.names(SHOWN), ["corpus-hang-in-exec"]);
    assert_eq!(browser.text(COUNT), format!("1 of {all} distributions"));
    browser.enter("zzz");
    assert_eq!(browser.names(SHOWN), Vec::<String>::new());
    browser.holds("!document.getElementById('page:nothing').hidden");
    browser.press("Escape");
    assert_eq!(browser.names(SHOWN).len(), all);

    browser.click("label.chip.degraded");
    assert_eq!(browser.names(SHOWN), ["corpus-lost-accelerator"]);
    browser.click("label.chip.not-applicable");
    assert_eq!(browser.names(SHOWN), ["corpus-lost-accelerator", "corpus-missing-library"]);
    let pick = |mode: &str| {
        browser.ask(&format!(
            "(() => {{ const each = document.getElementById('page:mode'); each.value = '{mode}';
                each.dispatchEvent(new Event('change')); }})()"
        ));
    };
    pick("free-threaded");
    assert_eq!(browser.names(SHOWN), ["corpus-missing-library"]);
    browser.click("#page\\:reset");
    assert_eq!(browser.names(SHOWN).len(), all);
    // A count above filters below.
    browser.click("button[data-show=degraded][data-in=own-gil]");
    assert_eq!(browser.names(SHOWN), ["corpus-lost-accelerator"]);
    browser.holds("document.getElementById('page:mode').value === 'own-gil'");
    browser.was_quiet();
}

#[test]
fn a_row_opens_to_its_modules_and_their_evidence() {
    let (browser, page) = (Browser::start(), Page::of(&report()));
    browser.looks(1280, 1000, "light").open(&page.file(), "");
    let panel = "document.getElementById('corpus-crash-in-second')";
    browser.holds(&format!("!{panel}.checkVisibility()"));
    browser.click(".row:has(#corpus-crash-in-second) .more summary");
    browser.holds(&format!("{panel}.checkVisibility()"));
    browser.click("#corpus-crash-in-second .subject > summary");
    let shown = browser.text(&format!("{panel}.innerText"));
    for part in [
        "PyInit_crash_in_second",
        "Py_mod_multiple_interpreters",
        "SHA-256",
        "crashed, second interpreter",
        "SIGSEGV",
        "setup+0x",
        "{environment}/lib/python3.14/site-packages/crash_in_second",
        "WHAT TO DO",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    browser.click("#corpus-crash-in-second .trial .raw > summary");
    assert!(browser.text(&format!("{panel}.innerText")).contains("Fatal Python error: Segmentation fault"));
    browser.screenshot("1280-opened");
    // The imports that lead to a root, in another distribution.
    let chain = browser
        .names("[...document.querySelectorAll('#needs-it .why .chain li')].map(each => each.textContent)");
    assert_eq!(chain, ["needs_it", "no_slot"]);

    browser.click("#page\\:open");
    browser.holds("[...document.querySelectorAll('.more > td > details')].every(each => each.open)");
    browser.holds("document.getElementById('page:open').textContent === 'Close all'");
    browser.click("#page\\:open");
    browser.holds("![...document.querySelectorAll('.more > td > details')].some(each => each.open)");
    // A click anywhere in the row does too, but not one that follows its link.
    browser.click(".row:has(#corpus-no-slot) .declaration");
    browser.holds("document.getElementById('corpus-no-slot').checkVisibility()");
    browser.was_quiet();
}

#[test]
fn a_link_opens_its_row_below_the_header_in_both_themes_and_widths() {
    let (browser, page) = (Browser::start(), Page::of(&report()));
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.looks(width, 844, scheme).open(&page.file(), "#corpus-Single_Phase");
        let row = "document.getElementById('corpus-single-phase').closest('tbody')";
        browser.holds("document.getElementById('corpus-single-phase').checkVisibility()");
        browser.settle();
        // What is at the row's name is the name: nothing lies over it.
        browser.holds(&format!(
            "(() => {{ const box = {row}.querySelector('.name').getBoundingClientRect();
                return {row}.querySelector('th').contains(document.elementFromPoint(box.x + 5, box.y + box.height / 2)); }})()"
        ));
        let top = browser.number(&format!("{row}.getBoundingClientRect().top"));
        assert!((0.0..200.0).contains(&top), "{width} {scheme}: {top}");
        let seen = browser.screenshot(&format!("{width}-{scheme}-link"));
        assert!(seen.len() > 25_000, "{width} {scheme}: {} bytes: blank?", seen.len());
        let ground = browser.text("getComputedStyle(document.body).backgroundColor");
        assert_eq!(ground == "rgb(16, 18, 21)", scheme == "dark", "{ground}");
    }
    // One that a filter hides comes back; a rule's page opens.
    browser.looks(1280, 844, "light").open(&page.file(), "");
    browser.click("label.chip.degraded");
    browser.ask("location.hash = '#corpus-no-slot'");
    browser.wait_for("document.getElementById('corpus-no-slot').checkVisibility()");
    browser.ask("location.hash = '#rule:refused'");
    browser.wait_for("document.getElementById('rule:refused').checkVisibility()");
    browser.was_quiet();
}

#[test]
fn the_theme_can_be_changed_and_is_kept() {
    let (browser, page) = (Browser::start(), Page::of(&report()));
    browser.looks(1280, 900, "light").open(&page.file(), "");
    let ground = || browser.text("getComputedStyle(document.body).backgroundColor");
    let light = ground();
    browser.click("#page\\:theme");
    let dark = ground();
    assert_ne!(light, dark);
    browser.screenshot("1280-dark");
    browser.open(&page.file(), "");
    assert_eq!(ground(), dark);
    browser.was_quiet();
}

#[test]
fn the_keyboard_is_enough() {
    let (browser, page) = (Browser::start(), Page::of(&report()));
    browser.looks(1280, 900, "light").open(&page.file(), "");
    browser.press("Tab");
    browser.holds("document.activeElement.className === 'skip'");
    browser.press("/");
    browser.enter("corpus-");
    browser.press("ArrowDown");
    let here = || browser.text("document.activeElement.closest('.row').querySelector('.name').textContent");
    let names = browser.names(SHOWN);
    assert_eq!(here(), names[0]);
    browser.press("ArrowDown");
    assert_eq!(here(), names[1]);
    browser.press("Enter");
    browser.holds("document.activeElement.parentElement.open");
    // The focus is seen, below the header.
    browser.holds("document.activeElement.getBoundingClientRect().top >= document.querySelector('thead').getBoundingClientRect().bottom");
    browser.holds("getComputedStyle(document.activeElement).outlineStyle !== 'none'");
    browser.press("ArrowUp");
    assert_eq!(here(), names[0]);
    browser.ask("document.querySelector(\"th[data-sort='modules'] button\").focus()");
    browser.press("Enter");
    browser.holds("document.querySelector(\"th[data-sort='modules']\").ariaSort === 'ascending'");
    browser.was_quiet();
}

#[test]
fn a_screen_reader_finds_a_table_with_names() {
    let (browser, page) = (Browser::start(), Page::of(&report()));
    for width in [1280, 390] {
        browser.looks(width, 900, "light").open(&page.file(), "");
        let tree = browser.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().unwrap();
        let named = |role: &str| -> Vec<&str> {
            let found = nodes.iter().filter(|node| node["role"]["value"] == role && node["ignored"] != true);
            found.map(|node| node["name"]["value"].as_str().unwrap_or_default()).collect()
        };
        let tables = named("table");
        assert!(
            tables.len() == 1 && tables[0].starts_with("Verdicts by distribution"),
            "{width}: {tables:?}"
        );
        assert_eq!(named("columnheader").len(), 10, "{width}");
        assert!(named("rowheader").contains(&"corpus-no-slot"), "{width}");
        // A verdict is a word, and its shape is not read.
        let word = if width == 390 { "own-gil blocked" } else { "blocked" };
        assert!(named("cell").contains(&word), "{width}: {:?}", named("cell"));
        assert!(named("status").len() == 1 && named("heading").len() > 5);
        let nameless = |role| named(role).iter().any(|name| name.trim().is_empty());
        assert!(
            !["button", "link", "searchbox", "combobox", "checkbox"].into_iter().any(nameless),
            "{width}"
        );
    }
    browser.was_quiet();
}

#[test]
fn every_verdict_is_seen_on_a_phone() {
    let (browser, page) = (Browser::start(), Page::of(&report()));
    browser.looks(390, 844, "light").open(&page.file(), "");
    browser.holds("document.documentElement.scrollWidth === 390");
    browser.holds(
        "[...document.querySelectorAll('.main .v')].every(each => {
            const box = each.getBoundingClientRect();
            return each.checkVisibility() && box.left >= 0 && box.right <= 390 && box.width > 20; })",
    );
    // Each with its mode.
    browser.holds(
        "[...document.querySelectorAll('.main .in-mode')].every(each =>
            getComputedStyle(each, '::before').content === JSON.stringify(each.dataset.mode))",
    );
    browser.ask("document.getElementById('page:table').scrollIntoView()");
    browser.screenshot("390-light");
    browser.ask(
        "(() => { const each = document.getElementById('page:sort'); each.value = 'name';
            each.dispatchEvent(new Event('change')); })()",
    );
    let sorted = browser.names(SHOWN);
    assert!(sorted.is_sorted(), "{sorted:?}");
    browser.was_quiet();
}

#[test]
fn it_works_without_a_script() {
    let (browser, page) = (Browser::start(), Page::of(&report()));
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.looks(1280, 900, "light");
    browser.call(
        "Page.navigate",
        json!({"url": format!("file://{}#corpus-single-phase", page.file().display())}),
    );
    // Without scripts nothing can be awaited in the page; the driver's own questions still run.
    browser.wait_for("document.readyState === 'complete' && location.protocol === 'file:'");
    browser.holds("document.querySelector('.controls').hidden && !document.documentElement.className");
    browser.wait_for("document.getElementById('corpus-single-phase').checkVisibility()");
    browser.holds(
        "document.getElementById('corpus-single-phase').closest('tbody').getBoundingClientRect().top >=
            document.querySelector('thead').getBoundingClientRect().bottom - 30",
    );
    let open = "document.querySelector('.more > td > details')";
    browser.holds(&format!("!{open}.open"));
    browser.ask(&format!("{open}.querySelector('summary').focus()"));
    for kind in ["keyDown", "keyUp"] {
        let text = if kind == "keyDown" { "\r" } else { "" };
        let key = json!({"type": kind, "key": "Enter", "windowsVirtualKeyCode": 13, "text": text});
        browser.call("Input.dispatchKeyEvent", key);
    }
    browser.wait_for(&format!("{open}.open"));
}

#[test]
fn it_prints_the_table_and_no_controls() {
    let (browser, page) = (Browser::start(), Page::of(&report()));
    browser.looks(1280, 900, "dark").open(&page.file(), "#corpus-no-slot");
    browser.call("Emulation.setEmulatedMedia", json!({"media": "print"}));
    browser.holds("!document.querySelector('.controls').checkVisibility()");
    browser.holds("getComputedStyle(document.querySelector('thead')).position === 'static'");
    browser.holds("getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'");
    let data = browser.call("Page.printToPDF", json!({}))["data"].as_str().unwrap().len();
    assert!(data > 20_000, "{data}");
    browser.was_quiet();
}

/// What a name must not do: run, load, reorder, or stretch the page.
fn attack() -> String {
    let script = "\"'><script>window.hit = 1</script><img src=x onerror='window.hit = 2'>{{7*7}}\u{202e}\u{200b}\u{1b}[31m";
    format!("{script}{}", "x".repeat(10_000))
}

#[test]
fn strings_from_strangers_do_no_harm() {
    let mut strange = report();
    poison(&mut strange);
    for notes in ["notes", "trouble"] {
        strange[notes] = json!([attack()]);
    }
    let (browser, page) = (Browser::start(), Page::of(&strange));
    let text = fs::read_to_string(page.file()).unwrap();
    assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{1b}']), "shown, not obeyed");
    assert_eq!(text.matches("<script").count(), 1);
    for width in [1280, 390] {
        browser.looks(width, 900, "light").open(&page.file(), "");
        browser.ask("document.querySelectorAll('details').forEach(each => { each.open = true; })");
        browser.settle();
        browser.holds(
            "window.hit === undefined && document.images.length === 0 && document.scripts.length === 1",
        );
        browser.holds(&format!("document.documentElement.scrollWidth === {width}"));
        browser.holds("document.body.textContent.includes('<script>window.hit = 1')");
    }
    // A name that is no id has a row of its own to link to all the same.
    let ids = browser.names("[...document.querySelectorAll('.name')].map(each => each.hash.slice(1))");
    assert!(ids.len() > 10 && ids.iter().all(|id| id.len() < 100), "{ids:?}");
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
    browser.screenshot("390-strange");
    browser.was_quiet();
}

/// Whether it is the kind of a file or of an outcome. That of a shared object is a type's name.
fn is_kind_of_ours(kind: &str) -> bool {
    let outcomes = OutcomeKind::ALL.map(OutcomeKind::name);
    let files = ExtensionFileClass::ALL.map(ExtensionFileClass::name);
    outcomes.contains(&kind) || files.contains(&kind)
}

/// Puts the attack into every string that comes from an audited environment.
fn poison(value: &mut Value) {
    let lists = ["chain", "lost", "also_needs", "ways", "add", "doubts"];
    // Words of enumerations: a report with another one is not read.
    let words = ["initialisation", "multiple_interpreters", "gil", "place", "by", "reached", "use", "result"];
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                let is_kind = name == "kind" && field.as_str().is_some_and(is_kind_of_ours);
                let is_ours =
                    is_kind || ["verdict", "rule"].contains(&name.as_str()) || words.contains(&name.as_str());
                match field {
                    Value::Object(_) if name == "answers" => {}
                    Value::String(text) if !is_ours => *text = attack(),
                    Value::Array(all) if lists.contains(&name.as_str()) => {
                        all.iter_mut().for_each(|each| *each = json!(attack()));
                    }
                    Value::Array(_) if name == "modes" => {}
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Array(_)
                    | Value::Object(_) => poison(field),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(poison),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// 300 distributions with 3000 modules, made of those of the stored report.
fn large() -> Value {
    let mut report = report();
    let (distributions, modules) = (report["distributions"].clone(), report["modules"].clone());
    let (distributions, modules) = (distributions.as_array().unwrap(), modules.as_array().unwrap());
    let mut many = Vec::new();
    let mut files = Vec::new();
    for number in 0..300 {
        let mut distribution = distributions[number % distributions.len()].clone();
        let name = format!("distribution-{number:03}");
        distribution["name"] = json!(name);
        distribution["extension_modules"] = json!(number);
        many.push(distribution);
        for place in 0..10 {
            let mut module = modules[(number + place) % modules.len()].clone();
            module["name"] = json!(format!("package_{number:03}.module_{place}"));
            module["distribution"] = json!(name);
            files.push(module);
        }
    }
    report["distributions"] = json!(many);
    report["modules"] = json!(files);
    report
}

#[test]
fn three_thousand_modules_are_no_burden() {
    let (browser, page) = (Browser::start(), Page::of(&large()));
    let open = |file: &Path| {
        browser.looks(1280, 900, "light").open(file, "#distribution-250");
        browser.number("performance.getEntriesByType('navigation')[0].loadEventEnd")
    };
    let text = fs::read_to_string(page.file()).unwrap();
    // What the machine needs for the same text without the page's script.
    let folder = tempfile::tempdir().unwrap();
    let still = folder.path().join("still.html");
    fs::write(&still, text.replace("<script>", "<script type=\"text/plain\">")).unwrap();
    let (mut plain, mut load) = (f64::INFINITY, f64::INFINITY);
    // Other tests run at the same time: a busy machine gets more rounds.
    for round in 0..9 {
        plain = open(&still).min(plain);
        load = open(&page.file()).min(load);
        if round >= 2 && load < 1.5 * plain {
            break;
        }
    }
    // Loaded from a report with that many, and only the opened row's are in the document now.
    assert!(text.matches("<details class=\"subject\"").count() >= 3000);
    browser.holds("document.querySelectorAll('.row').length === 300");
    browser.holds("document.querySelectorAll('.subject').length >= 10 && document.querySelectorAll('.subject').length < 50");
    browser.holds("document.getElementById('distribution-250').checkVisibility()");
    // From the event until what it did has been laid out and painted, the best of five.
    let took = |what: &str| {
        browser.number(&format!(
            "(async () => {{ const paint = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
                let best = Infinity;
                for (let round = 0; round < 5; round++) {{
                    await paint();
                    const started = performance.now();
                    {what};
                    document.body.offsetHeight;
                    await paint();
                    best = Math.min(best, performance.now() - started);
                }}
                return best; }})()"
        ))
    };
    let find = "(document.getElementById('page:search').value = round % 2 ? 'module_7' : 'package_1',
        document.getElementById('page:search').dispatchEvent(new Event('input')))";
    let first = browser.number(&format!(
        "(() => {{ const round = 0, started = performance.now(); {find}; document.body.offsetHeight;
            return performance.now() - started; }})()"
    ));
    let sort = took("document.querySelector('th[data-sort=\"own-gil\"] button').click()");
    let filter = took("document.querySelector('input[value=blocked]').click()");
    let search = took(find);
    browser.click("#page\\:reset");
    let open = took("document.getElementById('page:open').click()");
    let numbers = format!(
        "load {load:.0} (without the script {plain:.0}), sort {sort:.0}, filter {filter:.0}, search {search:.0} (the first {first:.0}), open all {open:.0} ms; {} kB",
        fs::metadata(page.file()).unwrap().len() / 1000
    );
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("page-timings.txt"), &numbers).unwrap();
    // The script adds little to what the machine needs for the text alone, and answers far sooner than that.
    let soon = (plain / 12.0).max(200.0);
    let is_quick = [sort, filter, search, first / 2.0].iter().all(|took| *took < soon);
    assert!(load < 1.5 * plain && is_quick, "{numbers}");
    browser.was_quiet();
}
