//! Circles are found whichever way a path is written.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;

use wsgiaudit_repository::module_graph::{ModuleGraph, join_modules};
use wsgiaudit_repository::sources::parse_crate;

/// The circles of a crate of these files, each as "a, b".
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let file = root.path().join("src").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let files = parse_crate(root.path()).unwrap();
    ModuleGraph::new(&files).find_circles().iter().map(|circle| join_modules(circle, ", ")).collect()
}

#[test]
fn each_way_to_name_a_module_is_seen() {
    let ways = [
        "use crate::b::g; pub fn f() { g() }",
        "use crate::b; pub fn f() { b::g() }",
        "use crate::{b}; pub fn f() { b::g() }",
        "use crate::b as other; pub fn f() { other::g() }",
        "use super::b::{self}; pub fn f() { b::g() }",
        "use crate::b::*; pub fn f() { g() }",
        "pub fn f() { crate::b::g() }",
        "pub fn f() { println!(\"{:?}\", crate::b::g()) }",
        "pub fn f() { println!(\"{:?}\", S { field: crate::b::g() }) }",
        "pub fn f(_: crate::b::T) {}",
    ];
    for way in ways {
        let b = ("b.rs", "pub struct T; pub fn g() { super::a::f() }");
        let found = circles_of(&[("lib.rs", "mod a; mod b;"), ("a.rs", way), b]);
        assert_eq!(found, ["a, b"], "{way}");
    }
}

#[test]
fn re_exports_lead_to_the_file_that_defines() {
    let files = [
        ("lib.rs", "mod room; mod user;"),
        ("room/mod.rs", "mod low; mod high; pub use low::T; pub use high::make;"),
        ("room/low.rs", "pub struct T;"),
        ("room/high.rs", "use super::T; pub fn make() -> T { T }"),
        ("user.rs", "use crate::room::{T, make}; pub fn f() -> T { make() }"),
    ];
    assert_eq!(circles_of(&files), <[String; 0]>::default());
}

#[test]
fn tests_may_use_anything() {
    let a = "pub fn f() {} #[cfg(test)] mod tests { use crate::b::g; }";
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", a),
        ("b.rs", "use crate::a::f; pub fn g() { f() }"),
    ]);
    assert_eq!(found, <[String; 0]>::default());
}

#[test]
fn a_longer_circle_is_one_group() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::g; pub fn f() { g() }"),
        ("b.rs", "use crate::c::h; pub fn g() { h() }"),
        ("c.rs", "use crate::a::f; pub fn h() { f() }"),
    ];
    assert_eq!(circles_of(&files), ["a, b, c"]);
}
