//! Trees of a small environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use wsgiaudit::copies::{
    CopyError, CopyRequest, CopySet, CopyStore, Inventory, NeedTarget, SharedObject, prepare_copies,
    prepare_requested_copies,
};

use super::workshop::{Workshop, inode};

/// Two packages, each with a module that needs `libx-11112222.so.1` of its own folder through a second library.
/// Both libraries have that name, and each has a counter that starts elsewhere.
pub(super) fn build_site(workshop: &Workshop) -> PathBuf {
    for (package, start) in [("red", 100), ("blue", 200)] {
        let library = format!("site/{package}.libs/libx-11112222.so.1");
        workshop.compile(
            &library,
            &format!("static int n = {start}; int count(void) {{ return ++n; }}"),
            &["-Wl,-soname,libx-11112222.so.1"],
        );
        workshop.compile(
            &format!("site/{package}.libs/libmid.so"),
            "int count(void); int middle(void) { return count(); }",
            &[&format!("@{library}"), "-Wl,-soname,libmid.so", "-Wl,-rpath,$ORIGIN"],
        );
        workshop.compile(
            &format!("site/{package}/inner/mod.so"),
            "int middle(void); int getpid(void); int answer(void) { return getpid() ? middle() : 0; } \
             void *PyInit_mod(void) { return 0; }",
            &[
                &format!("@site/{package}.libs/libmid.so"),
                &format!("-Wl,-rpath,$ORIGIN/../../{package}.libs"),
                &format!("-Wl,-rpath-link,{}", workshop.path(&format!("site/{package}.libs")).display()),
            ],
        );
    }
    fs::create_dir_all(workshop.path("site/pure")).unwrap();
    fs::write(workshop.path("site/pure/__init__.py"), "").unwrap();
    workshop.path("site")
}

pub(super) fn open_store(workshop: &Workshop) -> CopyStore {
    CopyStore::new(&workshop.path("store"), 1 << 30).unwrap()
}

fn prepare(workshop: &Workshop, roots: &[PathBuf], count: usize) -> CopySet {
    prepare_copies(roots, count, &open_store(workshop), None).unwrap()
}

fn modules(site: &Path) -> Vec<PathBuf> {
    ["red", "blue"].map(|package| site.join(package).join("inner/mod.so")).to_vec()
}

fn copies_of(set: &CopySet, tree: usize, sources: &[PathBuf]) -> Vec<PathBuf> {
    sources.iter().map(|source| set.find_copy(tree, source).unwrap()).collect()
}

/// Compiles a module in the site that needs the second library of `blue`, with this search path.
fn compile_user_of_blue(workshop: &Workshop, out: &str, search_path: &str) -> PathBuf {
    workshop.compile(
        out,
        "int middle(void); int answer(void) { return middle(); } void *PyInit_mod(void) { return 0; }",
        &[
            "@site/blue.libs/libmid.so",
            &format!("-Wl,-rpath,{search_path}"),
            &format!("-Wl,-rpath-link,{}", workshop.path("site/blue.libs").display()),
        ],
    )
}

/// Checks that a module of [`compile_user_of_blue`] and its copies in two trees do not share a counter.
fn check_counters_are_separate(workshop: &Workshop, roots: &[PathBuf], module: PathBuf) {
    let set = prepare(workshop, roots, 2);
    let [first, second] = [0, 1].map(|tree| set.find_copy(tree, &module).unwrap());
    assert_eq!(workshop.load(&[module, first, second]), "201 201 201");
}

#[test]
fn libraries_of_one_name_in_two_folders_are_not_mixed_up() {
    let workshop = Workshop::new();
    let site = build_site(&workshop);
    // The linker itself mixes them up: both count in the first one.
    assert_eq!(workshop.load(&modules(&site)), "101 102");
    let set = prepare(&workshop, std::slice::from_ref(&site), 2);
    assert_eq!(set.summary().objects, 6);
    let mut all = copies_of(&set, 0, &modules(&site));
    all.extend(copies_of(&set, 1, &modules(&site)));
    all.extend(all.clone());
    assert_eq!(workshop.load(&all), "101 201 101 201 102 202 102 202");
}

#[test]
fn a_tree_mirrors_absolute_paths_and_links_what_is_no_copy() {
    let workshop = Workshop::new();
    let site = build_site(&workshop).canonicalize().unwrap();
    fs::write(site.join("blue/inner/data.txt"), "42").unwrap();
    let set = prepare(&workshop, std::slice::from_ref(&site), 3);
    let tree = set.folder().join("2").join(site.strip_prefix("/").unwrap());
    let module = tree.join("blue/inner/mod.so");
    assert!(module.is_file() && module.canonicalize().unwrap() == module);
    assert_eq!(fs::read_to_string(module.with_file_name("data.txt")).unwrap(), "42");
    assert_eq!(tree.join("pure/__init__.py").canonicalize().unwrap(), site.join("pure/__init__.py"));
    assert!(
        tree.join("blue").canonicalize().unwrap() == tree.join("blue"),
        "a folder with shared objects is no link"
    );
    let copies: BTreeSet<u64> =
        (0..3).map(|number| inode(&set.find_copy(number, &modules(&site)[0]).unwrap())).collect();
    assert_eq!(copies.len(), 3);
    let folder = set.folder().to_owned();
    drop(set);
    assert!(!folder.exists() && site.join("blue/inner/data.txt").exists());
}

#[test]
fn what_is_not_asked_for_is_neither_copied_nor_linked() {
    let workshop = Workshop::new();
    let site = build_site(&workshop).canonicalize().unwrap();
    let only = BTreeSet::from([modules(&site)[0].clone()]);
    let set = prepare_copies(std::slice::from_ref(&site), 1, &open_store(&workshop), Some(&only)).unwrap();
    let tree = set.folder().join("0").join(site.strip_prefix("/").unwrap());
    assert!(tree.join("red/inner/mod.so").is_file());
    assert!(tree.join("blue/inner").is_dir() && !tree.join("blue/inner/mod.so").exists());
}

#[test]
fn a_copy_without_library_names_is_another_file_in_each_tree() {
    let workshop = Workshop::new();
    let module = workshop.compile(
        "site/plain.so",
        "static int n; int answer(void) { return ++n; } void *PyInit_plain(void) { return 0; }",
        &[],
    );
    let set = prepare(&workshop, &[workshop.path("site")], 2);
    let copies = [0, 1].map(|tree| set.find_copy(tree, &module).unwrap());
    assert_eq!(fs::read(&copies[0]).unwrap(), fs::read(&module).unwrap());
    assert_eq!(workshop.load(&[module, copies[0].clone(), copies[1].clone()]), "1 1 1");
}

#[test]
fn two_modules_with_the_same_content_stay_two() {
    let workshop = Workshop::new();
    let source = "static int n; int answer(void) { return ++n; } void *PyInit_x(void) { return 0; }";
    let first = workshop.compile("site/a/x.so", source, &["-Wl,--build-id=none"]);
    let second = workshop.path("site/b/x.so");
    fs::create_dir_all(second.parent().unwrap()).unwrap();
    fs::copy(&first, &second).unwrap();
    let set = prepare(&workshop, &[workshop.path("site")], 1);
    let copies = [&first, &second].map(|source| set.find_copy(0, source).unwrap());
    assert_eq!(workshop.load(&[first, second]), "1 1");
    assert_eq!(workshop.load(&copies), "1 1");
}

#[test]
fn needs_are_found_as_the_linker_finds_them() {
    let workshop = Workshop::new();
    let site = build_site(&workshop).canonicalize().unwrap();
    // No search path leads there: the module relies on another one to have loaded the library.
    workshop.compile("site/solo/libonly.so.1", "int only(void) { return 5; }", &["-Wl,-soname,libonly.so.1"]);
    workshop.compile(
        "site/solo/late.so",
        "int only(void); int answer(void) { return only(); }",
        &["@site/solo/libonly.so.1"],
    );
    let inventory = Inventory::read(std::slice::from_ref(&site)).unwrap();
    let find = |path: &str| inventory.objects.iter().find(|object| object.path == site.join(path)).unwrap();
    let name =
        |index: usize| inventory.objects[index].path.strip_prefix(&site).unwrap().display().to_string();
    let targets = |object: &SharedObject| {
        let targets = object.needs.iter().filter_map(|need| match &need.target {
            NeedTarget::Object(index, _) => Some(name(*index)),
            NeedTarget::Preloaded(index) => Some(format!("preloaded {}", name(*index))),
            NeedTarget::System | NeedTarget::Outside(_) | NeedTarget::Unknown => None,
        });
        targets.collect::<Vec<_>>()
    };
    assert_eq!(targets(find("red/inner/mod.so")), ["red.libs/libmid.so"]);
    assert_eq!(targets(find("blue.libs/libmid.so")), ["blue.libs/libx-11112222.so.1"]);
    assert_eq!(targets(find("solo/late.so")), ["preloaded solo/libonly.so.1"]);
    assert!(find("red/inner/mod.so").needs.iter().any(|need| need.target == NeedTarget::System));
}

#[test]
fn other_paths_of_a_library_lead_to_its_copy() {
    let workshop = Workshop::new();
    let site = build_site(&workshop);
    // Unpacked wheels have duplicates where there were links.
    let folder = site.join("red.libs");
    fs::copy(folder.join("libx-11112222.so.1"), folder.join("libx.so")).unwrap();
    symlink("libx.so", folder.join("libx-link.so")).unwrap();
    fs::hard_link(folder.join("libmid.so"), folder.join("libmid-hard.so")).unwrap();
    // The environment is reached through a link, as `lib64` or a folder for the current release.
    let current = workshop.path("current");
    symlink(&site, &current).unwrap();
    let set = prepare(&workshop, std::slice::from_ref(&current), 1);
    let copy = |name: &str| set.find_copy(0, &folder.join(name)).unwrap();
    assert_eq!(copy("libx.so"), copy("libx-11112222.so.1"));
    assert_eq!(copy("libx-link.so"), copy("libx-11112222.so.1"));
    assert_eq!(copy("libmid-hard.so"), copy("libmid.so"));
    assert_ne!(inode(&copy("libx.so")), inode(&folder.join("libx.so")));
    let module = Path::new("red/inner/mod.so");
    let by_link = set.folder().join("0").join(current.strip_prefix("/").unwrap()).join(module);
    assert_eq!(by_link.canonicalize().unwrap(), set.find_copy(0, &site.join(module)).unwrap());
    assert_eq!(workshop.load(&[by_link]), "101");
}

/// uv's `--link-mode symlink`: every file of site-packages is a link into the cache.
#[test]
fn files_that_are_links_out_of_the_environment_are_copied_where_they_are_found() {
    let workshop = Workshop::new();
    let built = build_site(&workshop);
    let site = workshop.path("linked");
    for path in ["red/inner/mod.so", "red.libs/libmid.so", "red.libs/libx-11112222.so.1"] {
        fs::create_dir_all(site.join(path).parent().unwrap()).unwrap();
        symlink(built.join(path), site.join(path)).unwrap();
    }
    let set = prepare(&workshop, std::slice::from_ref(&site), 2);
    let copies = [0, 1].map(|tree| set.find_copy(tree, &site.join("red/inner/mod.so")).unwrap());
    assert_eq!(set.find_copy(0, &built.join("red/inner/mod.so")).unwrap(), copies[0]);
    assert_eq!(workshop.load(&[copies[0].clone(), copies[1].clone()]), "101 101");
}

#[test]
fn nested_and_repeated_roots_are_searched_once() {
    let workshop = Workshop::new();
    let site = build_site(&workshop);
    let roots = [site.clone(), site.join("red.libs"), workshop.path("."), site.clone()];
    let set = prepare(&workshop, &roots, 1);
    assert_eq!(set.summary().objects, 6);
    assert_eq!(workshop.load(&copies_of(&set, 0, &modules(&site))), "101 201");
}

#[test]
fn pythons_own_libraries_are_not_copied() {
    let workshop = Workshop::new();
    build_site(&workshop);
    let source = "int f(void) { return 1; }";
    workshop.compile("lib/libpython3.14.so.1.0", source, &["-Wl,-soname,libpython3.14.so.1.0"]);
    workshop.compile("lib/python3.14/lib-dynload/_x.so", source, &[]);
    workshop.compile("lib/python3.14/_y.so", source, &[]);
    fs::create_dir_all(workshop.path("lib/python3.14/importlib")).unwrap();
    fs::write(workshop.path("lib/python3.14/os.py"), "").unwrap();
    // Site-packages of a prefix lies in the standard library's folder.
    fs::create_dir_all(workshop.path("lib/python3.14/site-packages")).unwrap();
    let module = workshop.compile("lib/python3.14/site-packages/z.so", source, &[]);
    let set = prepare(&workshop, &[workshop.path("lib"), module.parent().unwrap().to_owned()], 1);
    assert_eq!(set.summary().objects, 1);
    assert!(set.find_copy(0, &module).is_some());
}

/// A second C library in a process would not work. A wheel with one is none that auditwheel repaired.
#[test]
fn a_bundled_c_library_is_left_to_the_linker() {
    let workshop = Workshop::new();
    let libc =
        workshop.compile("site/x.libs/libc.so.6", "int f(void) { return 1; }", &["-Wl,-soname,libc.so.6"]);
    let renamed = workshop.path("site/x.libs/libc-0123abcd.so.6");
    fs::copy(&libc, &renamed).unwrap();
    let source =
        "int getpid(void); int answer(void) { return getpid() > 1; } void *PyInit_x(void) { return 0; }";
    let module = workshop.compile("site/x.so", source, &["-Wl,-rpath,$ORIGIN/x.libs"]);
    let set = prepare(&workshop, &[workshop.path("site")], 2);
    assert_eq!(set.summary().objects, 1);
    assert!(set.find_copy(0, &renamed).is_none());
    let copies = [0, 1].map(|tree| set.find_copy(tree, &module).unwrap());
    assert_eq!(workshop.load(&copies), "1 1");
}

/// Some wheels bring libraries for several machines.
#[test]
fn libraries_for_another_machine_are_passed_over() {
    let workshop = Workshop::new();
    let site = build_site(&workshop);
    let library = site.join("other.libs/libmid.so");
    fs::create_dir_all(library.parent().unwrap()).unwrap();
    let mut bytes = fs::read(site.join("red.libs/libmid.so")).unwrap();
    // `e_machine`: AArch64, or x86-64 if this is AArch64.
    bytes[18] = if bytes[18] == 183 { 62 } else { 183 };
    fs::write(&library, bytes).unwrap();
    let module = compile_user_of_blue(&workshop, "site/both.so", "$ORIGIN/other.libs:$ORIGIN/blue.libs");
    check_counters_are_separate(&workshop, &[site], module);
}

/// conda keeps the libraries of an environment in the `lib` of its prefix.
#[test]
fn libraries_of_the_prefix_are_copied_if_it_is_a_root_and_shared_otherwise() {
    let workshop = Workshop::new();
    workshop.compile("lib/libdeep.so", "int deep(void) { return 3; }", &["-Wl,-soname,libdeep.so"]);
    let library = workshop.compile(
        "lib/libout.so.1",
        "int deep(void); static int n; int out(void) { return ++n + deep(); }",
        &["@lib/libdeep.so", "-Wl,-soname,libout.so.1", "-Wl,-rpath,$ORIGIN"],
    );
    let site = workshop.path("lib/python3.14/site-packages");
    let module = workshop.compile(
        "lib/python3.14/site-packages/mod.so",
        "int out(void); int answer(void) { return out(); } void *PyInit_mod(void) { return 0; }",
        &[
            "@lib/libout.so.1",
            "-Wl,-rpath,$ORIGIN/../..",
            &format!("-Wl,-rpath-link,{}", workshop.path("lib").display()),
        ],
    );
    let load_two_trees = |roots: &[PathBuf]| {
        let set = prepare(&workshop, roots, 2);
        let shared = set.summary().shared.clone();
        let copies = [0, 1].map(|tree| set.find_copy(tree, &module).unwrap());
        (workshop.load(&copies), shared)
    };
    let library = library.canonicalize().unwrap();
    assert_eq!(load_two_trees(std::slice::from_ref(&site)), ("4 5".to_owned(), BTreeSet::from([library])));
    assert_eq!(load_two_trees(&[site, workshop.path("lib")]), ("4 4".to_owned(), BTreeSet::new()));
}

#[test]
fn an_absolute_search_path_leads_to_the_copies() {
    let workshop = Workshop::new();
    let site = build_site(&workshop).canonicalize().unwrap();
    let search_path = format!("/nowhere::{}", site.join("blue.libs").display());
    let module = compile_user_of_blue(&workshop, "site/green/mod.so", &search_path);
    check_counters_are_separate(&workshop, &[site], module);
}

#[test]
fn a_relative_search_path_through_a_linked_folder_leads_to_the_copies() {
    let workshop = Workshop::new();
    let site = build_site(&workshop);
    symlink("blue.libs", site.join("libs64")).unwrap();
    let module = compile_user_of_blue(&workshop, "site/green/mod.so", "$ORIGIN/../libs64");
    // The folder is not searched through the link.
    check_counters_are_separate(&workshop, &[site.join("green"), site.join("blue.libs")], module);
}

/// A library without a name of its own is needed by the path that the compiler was given. The linker opens that path,
/// so the copies of the module share the library.
#[test]
fn a_library_that_is_needed_by_an_absolute_path_stays_shared() {
    let workshop = Workshop::new();
    let site = workshop.path(".").canonicalize().unwrap().join("site");
    workshop.compile("site/libcount.so", "static int n; int count(void) { return ++n; }", &[]);
    let library = site.join("libcount.so");
    let module = workshop.compile(
        "site/mod.so",
        "int count(void); int answer(void) { return count(); } void *PyInit_mod(void) { return 0; }",
        &[library.to_str().unwrap()],
    );
    let set = prepare(&workshop, &[site], 2);
    let copies = [0, 1].map(|tree| set.find_copy(tree, &module).unwrap());
    assert_eq!(workshop.load(&copies), "1 2");
    assert_eq!(set.summary().shared, BTreeSet::from([library]));
}

#[test]
fn a_source_with_another_digest_is_refused() {
    let workshop = Workshop::new();
    let site = build_site(&workshop);
    let module = site.join("red/inner/mod.so").canonicalize().unwrap();
    let request = |expected: &BTreeMap<PathBuf, String>, only: Option<&BTreeSet<PathBuf>>| {
        let request = CopyRequest { roots: std::slice::from_ref(&site), count: 1, only, expected };
        prepare_requested_copies(&request, &open_store(&workshop))
    };
    let expected = BTreeMap::from([(module.clone(), "00".to_owned())]);
    match request(&expected, None) {
        Err(CopyError::Changed { path, .. }) => assert_eq!(path, module),
        other => panic!("{other:?}"),
    }
    // What is not copied does not matter.
    let only = BTreeSet::from([site.join("blue/inner/mod.so")]);
    assert_eq!(request(&expected, Some(&only)).unwrap().summary().objects, 3);
    let right = wsgiaudit::digest::of_file(&module).unwrap();
    assert!(request(&BTreeMap::from([(module, right)]), None).is_ok());
}

#[test]
fn only_what_is_asked_for_and_what_it_needs_is_copied() {
    let workshop = Workshop::new();
    let site = build_site(&workshop);
    let only = BTreeSet::from([site.join("blue/inner/mod.so"), site.join("no/such.so")]);
    let store = open_store(&workshop);
    let part = prepare_copies(std::slice::from_ref(&site), 2, &store, Some(&only)).unwrap();
    assert_eq!((part.summary().objects, part.summary().modules), (3, 1));
    assert!(part.find_copy(0, &site.join("red/inner/mod.so")).is_none());
    let copies = [0, 1].map(|tree| part.find_copy(tree, &site.join("blue/inner/mod.so")).unwrap());
    assert_eq!(workshop.load(&copies), "201 201");
    // The same copies serve all of the environment.
    let all = prepare_copies(std::slice::from_ref(&site), 2, &store, None).unwrap();
    assert_eq!(inode(&all.find_copy(1, &site.join("blue/inner/mod.so")).unwrap()), inode(&copies[1]));
}

#[test]
fn broken_files_are_left_out_and_named() {
    let workshop = Workshop::new();
    let site = build_site(&workshop);
    let mut bytes = fs::read(site.join("red/inner/mod.so")).unwrap();
    bytes.truncate(512);
    fs::write(site.join("broken.so"), &bytes).unwrap();
    fs::write(site.join("text.so"), "not a library").unwrap();
    symlink("/no/such/file", site.join("dangling.so")).unwrap();
    symlink("..", site.join("above")).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(site.join("pipe.so")).status().unwrap();
    assert!(fifo.success());
    let set = prepare(&workshop, std::slice::from_ref(&site), 1);
    assert_eq!(set.summary().objects, 6);
    let left_out: Vec<_> = set.summary().left_out.iter().map(|(path, _)| path.file_name().unwrap()).collect();
    assert_eq!(left_out, ["broken.so"]);
}

#[test]
fn static_tls_limits_the_number_of_interpreters() {
    let workshop = Workshop::new();
    let source =
        "__thread int t[100]; int answer(void) { return t[1]++; } void *PyInit_tls(void) { return 0; }";
    workshop.compile("site/tls.so", source, &["-ftls-model=initial-exec"]);
    let set = prepare(&workshop, &[workshop.path("site")], 1);
    let summary = set.summary();
    assert_eq!(summary.static_tls[0].1, 400);
    assert_eq!((summary.most_by_static_tls(), summary.most_interpreters()), (Some(4), Some(4)));
    // So many can be loaded into one process.
    let copies = prepare(&workshop, &[workshop.path("site")], 4);
    let copies: Vec<_> =
        (0..4).map(|tree| copies.find_copy(tree, &workshop.path("site/tls.so")).unwrap()).collect();
    assert_eq!(workshop.load(&copies), "0 0 0 0");
}
