//! The HTML page of a result, in a real Chromium.

use super::Project;
use crate::support::browser::Browser;

const QUICK: &str = "\
def application(environ, start_response):
    start_response('200 OK', [('Content-Length', '4')])
    return [b'done']
";

#[test]
fn the_page_shows_the_recommendation_and_charts_and_loads_nothing() {
    let project = Project::new(QUICK);
    let page = project.folder().join("tune.html");
    let args = ["--cores", "1", "--max-threads", "2", "--rounds", "1", "--format", "html", "-o"];
    let said = project.tune(&[&args[..], &[page.to_str().unwrap()]].concat());
    // One round cannot tell the two configurations apart, unless one of them is out after the first.
    assert!(matches!(said.status, Some(0 | 3)), "{}", said.err);
    let browser = Browser::start();
    browser.looks(1280, 800, "light").open(&page, "");
    let recommended = browser.text("document.getElementById('recommended').textContent");
    assert!(recommended.starts_with("main: 1 process x "), "{recommended}");
    let compared = browser.number("document.querySelectorAll('tbody tr').length");
    assert!(compared >= 2.0, "{compared}");
    assert!(browser.number("document.querySelectorAll('circle.recommended').length") == 1.0);
    browser.holds("[...document.querySelectorAll('rect.bar')].some(bar => bar.getBBox().height > 0)");
    // On a phone only the table and the code scroll sideways.
    browser.looks(390, 800, "dark").open(&page, "");
    browser.holds("document.documentElement.scrollWidth <= innerWidth");
    browser.was_quiet();
}
