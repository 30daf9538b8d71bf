//! What scans of small sources find, and what imports reach in a folder of small modules.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::import_graph::{KnownImports, trace_application};
use super::module_finder::{ModuleFinder, ModuleResolution};
use super::scan::scan_source;
use super::scanner::{FileContext, FileScan};
use crate::model::{ImportKind, SourceAnalysis};

const OWN: FileContext<'_> = FileContext { package: "shop.cart", is_own: true, has_lazy_modules: false };

fn scan(source: &str) -> FileScan {
    scan_source(source, OWN).unwrap()
}

/// Hazards as `line function: rule: text`, with a mark for code that is always refused.
fn hazards(source: &str) -> Vec<String> {
    let each = scan(source).hazards.into_iter().map(|hazard| {
        let refused = hazard.refused.map(|kind| format!(" {kind:?}")).unwrap_or_default();
        format!("{} {}: {}: {}{refused}", hazard.line, hazard.function, hazard.rule, hazard.text)
    });
    each.collect()
}

#[track_caller]
fn assert_rules(rule: &str, sources: &[(&str, bool)]) {
    for (source, expected) in sources {
        let found = scan(source).hazards;
        let is_found = found.iter().any(|hazard| hazard.rule.id() == rule);
        assert_eq!(is_found, *expected, "{rule} in {source}: {found:#?}");
    }
}

/// Imports as `line function: name kind`, with marks for `from`, conditions and strings.
fn imports_in(source: &str, context: FileContext<'_>) -> Vec<String> {
    let each = scan_source(source, context).unwrap().imports.into_iter().map(|import| {
        let marks = [
            (import.is_from, " from"),
            (import.is_conditional, " conditional"),
            (import.is_named, " string"),
        ];
        let marks: String = marks.iter().filter(|(is_set, _)| *is_set).map(|(_, mark)| *mark).collect();
        format!("{} {}: {} {:?}{marks}", import.line, import.function, import.name, import.way)
    });
    each.collect()
}

fn imports(source: &str) -> Vec<String> {
    imports_in(source, OWN)
}

#[test]
fn daemon_threads_are_reported_and_refused_where_they_are_cpythons() {
    let source = "import threading\ndef run():\n    threading.Thread(target=run, daemon=True)\n    \
                  MyThread(daemon=True)\n    worker = threading.Timer(1, run)\n    worker.daemon = True\n    \
                  worker.setDaemon(True)\n    worker = other()\n    worker.daemon = True\n";
    let timer = "5 run: timer-thread: threading.Timer() starts a thread that the interpreter's end waits for";
    assert_eq!(
        hazards(source),
        [
            "3 run: daemon-thread: threading.Thread(daemon=True) Lazy",
            "4 run: daemon-thread: MyThread(daemon=True)",
            "6 run: daemon-thread: sets daemon = True Lazy",
            "7 run: daemon-thread: worker.setDaemon() Lazy",
            "9 run: daemon-thread: sets daemon = True",
            timer,
        ]
    );
    let guarded = "import threading\ndef run():\n    try:\n        threading.Thread(daemon=True)\n    \
                   except RuntimeError:\n        pass\n";
    assert_eq!(hazards(guarded), ["4 run: daemon-thread: threading.Thread(daemon=True) LazyOptional"]);
    // At module level the trial's import shows it.
    let at_import = "import threading\nthreading.Thread(daemon=True)\n";
    assert_eq!(hazards(at_import), ["2 : daemon-thread: threading.Thread(daemon=True)"]);
    assert_rules(
        "daemon-thread",
        &[
            ("x(daemon=True)\n", false),
            ("MyThread(daemon=False)\n", false),
            ("class T(Base):\n    def __init__(self):\n        super().__init__(daemon=True)\n", false),
            ("class T(Base):\n    def __init__(self):\n        Base.__init__(self, daemon=True)\n", true),
            ("Timer(daemon=True)\n", true),
            ("worker.daemon = False\n", false),
            ("worker.other = True\n", false),
        ],
    );
}

#[test]
fn calls_and_imports_that_are_hazards_are_reported() {
    assert_rules(
        "thread-in-request",
        &[
            ("from threading import Thread as T\ndef view():\n    T(target=view)\n", true),
            ("from threading import Thread\nThread(target=print)\n", false),
            ("from threading import Thread\ndef view():\n    Thread(daemon=True)\n", false),
        ],
    );
    assert_rules(
        "fork-or-exec",
        &[
            ("import os\nos.fork()\n", true),
            ("import subprocess\nsubprocess.run([], preexec_fn=print)\n", true),
            ("import subprocess\nsubprocess.run([], preexec_fn=None)\n", false),
            ("import subprocess\nsubprocess.run([])\n", false),
        ],
    );
    assert_rules(
        "main-only-module",
        &[
            ("import faulthandler\n", true),
            ("import curses.ascii\n", true),
            ("from tkinter import ttk\n", true),
            ("import curse\n", false),
            ("from shop import readline\n", false),
        ],
    );
    assert_rules(
        "atexit-cleanup",
        &[
            ("import atexit\natexit.register(pool.shutdown)\n", true),
            ("import atexit\natexit.register(print)\n", false),
            ("import atexit\natexit.register(os.path.join)\n", false),
            ("import atexit\ndef end():\n    worker.join()\natexit.register(end)\n", true),
            ("import atexit\ndef end():\n    print()\natexit.register(end)\n", false),
            ("import atexit\n@atexit.register\ndef end():\n    worker.stop()\n", true),
            ("import atexit\n@atexit.register\ndef end():\n    worker.start()\n", false),
            ("@other.register\ndef end():\n    worker.stop()\n", false),
        ],
    );
    assert_eq!(
        hazards("import atexit\ndef end():\n    worker.join()\natexit.register(end)\n"),
        ["4 : atexit-cleanup: atexit calls worker.join(), through end()"]
    );
    assert_eq!(
        hazards("import atexit\natexit.register(pool.shutdown)\n"),
        ["2 : atexit-cleanup: atexit calls pool.shutdown()"]
    );
}

#[test]
fn imports_have_a_kind_by_where_they_stand() {
    let source = "import a.b\ntry:\n    import c\nexcept ImportError:\n    import d\nelse:\n    import e\nfinally:\n    \
                  import f\nif flag:\n    import g\nelse:\n    import h\ndef view():\n    import i\n    try:\n        \
                  import j\n    except ModuleNotFoundError:\n        pass\nfor _ in all:\n    import k\nclass C:\n    \
                  import m\ntry:\n    import n\nexcept ValueError:\n    pass\n";
    assert_eq!(
        imports(source),
        [
            "1 : a.b AtImport",
            "3 : c Optional",
            "5 : d Conditional conditional",
            "7 : e Conditional conditional",
            "9 : f AtImport",
            "11 : g Conditional conditional",
            "13 : h Conditional conditional",
            "15 view: i Lazy",
            "17 view: j LazyOptional",
            "21 : k Conditional conditional",
            "23 : m AtImport",
            "25 : n AtImport",
        ]
    );
    // A condition around a definition does not apply to its calls.
    let source = "try:\n    def f():\n        import a\n    import b\nexcept ImportError:\n    pass\n";
    assert_eq!(imports(source), ["3 f: a Lazy", "4 : b Optional"]);
    for catches in
        ["except:", "except Exception:", "except (ValueError, ImportError):", "except x.ImportError:"]
    {
        let source = format!("try:\n    import a\n{catches}\n    pass\n");
        assert_eq!(imports(&source), ["2 : a Optional"], "{catches}");
    }
}

#[test]
fn from_imports_are_resolved_in_the_package() {
    let source =
        "from a import b, c\nfrom . import d\nfrom .e import f\nfrom ..g import *\nfrom .... import h\n";
    assert_eq!(
        imports(source),
        [
            "1 : a.b AtImport from",
            "1 : a.c AtImport from",
            "1 : a AtImport",
            "2 : shop.cart.d AtImport from",
            "2 : shop.cart AtImport",
            "3 : shop.cart.e.f AtImport from",
            "3 : shop.cart.e AtImport",
            "4 : shop.g AtImport",
        ]
    );
}

#[test]
fn lazy_imports_run_later() {
    let source =
        "__lazy_modules__ = ['a', 'b']\nimport a\nimport c\nfrom b import x\ndef view():\n    import a\n";
    let eager =
        ["2 : a AtImport", "3 : c AtImport", "4 : b.x AtImport from", "4 : b AtImport", "6 view: a Lazy"];
    let without_strings = |context| {
        let mut all = imports_in(source, context);
        all.retain(|import| !import.ends_with("string"));
        all
    };
    assert_eq!(without_strings(OWN), eager);
    let lazy = ["2 : a Lazy", "3 : c AtImport", "4 : b.x Lazy from", "4 : b Lazy", "6 view: a Lazy"];
    assert_eq!(without_strings(FileContext { has_lazy_modules: true, ..OWN }), lazy);
    for names in ["('a',)", "{'a'}", "a"] {
        let source = format!("__lazy_modules__: list = {names}\nimport a\n");
        let found = imports_in(&source, FileContext { has_lazy_modules: true, is_own: false, ..OWN });
        let kind = if names == "a" { "AtImport" } else { "Lazy" };
        assert_eq!(found, [format!("2 : a {kind}")], "{names}");
    }
}

#[test]
fn strings_that_name_modules_are_imports_of_an_application() {
    assert_eq!(imports("URLS = 'shop.urls'\n"), ["1 : shop.urls Lazy from string"]);
    for text in ["'shop urls'", "'1.2'", "'a..b'", "''", "'a-b'", "b'a.b'"] {
        assert_eq!(imports(&format!("X = {text}\n")), [] as [String; 0], "{text}");
    }
    assert_eq!(imports(&format!("X = '{}'\n", "a".repeat(200))), [] as [String; 0]);
    assert_eq!(imports(&format!("X = '{}'\n", "a".repeat(199))).len(), 1);
    assert_eq!(imports_in("X = 'shop.urls'\n", FileContext { is_own: false, ..OWN }), [] as [String; 0]);
}

#[test]
fn imports_by_call_are_followed_where_the_name_is_known() {
    let library = FileContext { is_own: false, ..OWN };
    for (call, expected) in [
        ("importlib.import_module('a.b')", "3 : a.b AtImport"),
        ("importlib.import_module('.b', 'a')", "3 : a.b AtImport"),
        ("importlib.import_module('..b', package='a.c')", "3 : a.b AtImport"),
        ("importlib.import_module('.b', __package__)", "3 : shop.cart.b AtImport"),
        ("__import__('a')", "3 : a AtImport"),
        ("pkgutil.resolve_name('a.b:c')", "3 : a.b.c Lazy from"),
        ("lazy_loader.attach(__name__, ['core'])", "3 : shop.cart.core Lazy"),
        ("lazy_loader.attach(__name__, submodules=('core',))", "3 : shop.cart.core Lazy"),
        ("lazy_loader.attach(__name__, submod_attrs={'core': ['X']})", "3 : shop.cart.core Lazy"),
    ] {
        let source = format!("import importlib, pkgutil\nimport lazy_loader\n{call}\n");
        let mut found = imports_in(&source, library);
        assert_eq!(found.split_off(3), [expected], "{call}");
    }
    for (call, expected) in [
        ("importlib.import_module(name)", Some("importlib.import_module() with a computed name")),
        ("importlib.import_module('....b')", Some("importlib.import_module() with a computed name")),
        ("pkgutil.resolve_name(name)", Some("pkgutil.resolve_name() with a computed name")),
        ("lazy_loader.attach(__name__, names)", Some("lazy_loader.attach() with a computed name")),
        ("lazy_loader.attach(__name__, None, names)", Some("lazy_loader.attach() with a computed name")),
        ("exec(code)", Some("exec() of computed code")),
        ("exec('x = 1')", None),
        ("runpy.run_path(name)", Some("runpy.run_path()")),
        ("print(name)", None),
    ] {
        let source = format!("import importlib, pkgutil, lazy_loader, runpy\ndef f():\n    {call}\n");
        let found = scan(&source).not_followed;
        let expected = expected.map(|what| (3, "f".to_owned(), what.to_owned()));
        assert_eq!(found, Vec::from_iter(expected), "{call}");
    }
}

#[test]
fn changes_of_the_search_path_are_recorded() {
    for (source, expected) in [
        ("sys.path.insert(0, x)\n", Some("2 sys.path.insert (2, 2)")),
        ("sys.path.remove(x)\n", None),
        ("site.addsitedir(x)\n", Some("2 site.addsitedir (2, 2)")),
        ("sys.path[:0] = [x]\n", Some("2 sys.path = ... (2, 2)")),
        ("sys.path += [\n x]\n", Some("2 sys.path = ... (2, 3)")),
        ("sys.meta_path.append(x)\n", Some("2 sys.meta_path.append -")),
        ("__path__ = [x]\n", Some("2 __path__ = ... -")),
        ("if x not in sys.path:\n    sys.path.append(x)\n", Some("3 sys.path.append (2, 2)")),
        ("if x in sys.path:\n    sys.path.append(x)\n", Some("3 sys.path.append (3, 3)")),
        ("if x not in y:\n    sys.path.append(x)\n", Some("3 sys.path.append (3, 3)")),
        ("if x not in sys.path:\n    pass\nsys.path.append(x)\n", Some("4 sys.path.append (4, 4)")),
        ("x = sys.path\n", None),
    ] {
        let of = |is_own| {
            let source = format!("import sys, site\n{source}");
            let found = scan_source(&source, FileContext { is_own, ..OWN }).unwrap().path_changes;
            let lines =
                |lines: Option<(usize, usize)>| lines.map_or("-".to_owned(), |lines| format!("{lines:?}"));
            let each =
                found.iter().map(|change| format!("{} {} {}", change.line, change.text, lines(change.lines)));
            each.collect::<Vec<_>>()
        };
        assert_eq!(of(true), Vec::from_iter(expected.map(str::to_owned)), "{source}");
        assert_eq!(of(false), [] as [String; 0], "{source}");
    }
}

#[test]
fn branches_that_never_run_are_left_out() {
    for (source, expected) in [
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b\n", vec!["4 : b AtImport"]),
        ("if not TYPE_CHECKING:\n    import a\nelse:\n    import b\n", vec!["2 : a AtImport"]),
        (
            "if x:\n    import a\nelif os.name == 'posix':\n    import b\nelse:\n    import c\n",
            vec!["2 : a Conditional conditional", "4 : b Conditional conditional"],
        ),
        (
            "if __name__ == '__main__':\n    import a\nelif x:\n    import b\n",
            vec!["4 : b Conditional conditional"],
        ),
    ] {
        let library = FileContext { is_own: false, ..OWN };
        assert_eq!(imports_in(source, library), expected, "{source}");
    }
}

#[test]
fn functions_are_named_with_what_encloses_them() {
    let source = "class A:\n    def b(self):\n        def c():\n            import x\n        f = lambda: g(import_())\n    import y\n";
    assert_eq!(imports(source), ["4 A.b.c: x Lazy", "6 : y AtImport"]);
    let source = "import os\nclass A:\n    f = lambda: os.fork()\n";
    assert_eq!(hazards(source), ["3 A.lambda: fork-or-exec: os.fork() is refused"]);
}

#[test]
fn a_file_that_does_not_parse_is_an_error() {
    assert!(scan_source("def\n", OWN).unwrap_err().starts_with("it does not parse: "));
    let large = "#".repeat((8 << 20) + 1);
    assert_eq!(
        scan_source(&large, OWN).unwrap_err(),
        "it is too large and was not read: it has more than 8388608 bytes"
    );
    assert!(scan_source(&large[1..], OWN).is_ok());
}

/// A folder `app` of the application, a folder `site-packages` and a standard library.
struct Modules {
    root: TempDir,
}

impl Modules {
    fn new(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn finder(&self) -> ModuleFinder {
        let roots = vec![self.path("app"), self.path("site-packages")];
        let editable =
            [("edit", "elsewhere/edit"), ("one", "elsewhere/one.py"), ("fast", "elsewhere/fast.so")];
        let editable = editable.map(|(name, path)| (name.to_owned(), self.path(path)));
        let suffixes = [".abi3.so".to_owned(), ".so".to_owned()];
        ModuleFinder::new(vec![self.path("app")], roots, &editable, &suffixes, Some(self.path("lib")))
    }

    fn trace(&self, known: &KnownImports) -> SourceAnalysis {
        trace_application(&self.finder(), "shop", known)
    }

    /// What is reached, as `name kind line: chain`.
    fn reached(&self, known: &KnownImports) -> Vec<String> {
        let each = self.trace(known).reached.into_iter().map(|module| {
            let line = module.through.map_or("-".to_owned(), |location| location.line.to_string());
            format!("{} {:?} {line}: {}", module.name, module.way, module.chain.join(" "))
        });
        each.collect()
    }
}

#[test]
fn modules_are_found_in_the_order_of_the_import_system() {
    let modules = Modules::new(&[
        ("app/shop.py", ""),
        ("app/both/__init__.py", ""),
        ("app/both.py", ""),
        ("app/core.so", ""),
        ("app/core.py", ""),
        ("app/native/__init__.abi3.so", ""),
        ("app/space/part.py", ""),
        ("site-packages/shop.py", ""),
        ("site-packages/other.py", ""),
        ("site-packages/space/__init__.py", ""),
        ("site-packages/names/part.py", ""),
        ("site-packages/jsonlike.py", ""),
        ("elsewhere/edit/__init__.py", ""),
        ("elsewhere/edit/inner.py", ""),
        ("elsewhere/one.py", ""),
        ("elsewhere/fast.so", ""),
        ("lib/json/__init__.py", ""),
        ("lib/string.py", ""),
        ("lib/lib-dynload/_ssl.so", ""),
        ("lib/empty/data.txt", ""),
    ]);
    let source = |file: &str, is_package| ModuleResolution::Source(modules.path(file), is_package);
    let finder = modules.finder();
    for (name, expected) in [
        ("shop", source("app/shop.py", false)),
        ("both", source("app/both/__init__.py", true)),
        ("core", ModuleResolution::Extension),
        ("native", ModuleResolution::Extension),
        ("other", source("site-packages/other.py", false)),
        // A package further down the path wins against a folder without `__init__.py`.
        ("space", source("site-packages/space/__init__.py", true)),
        ("space.part", source("app/space/part.py", false)),
        ("names", ModuleResolution::Namespace),
        ("edit", source("elsewhere/edit/__init__.py", true)),
        ("edit.inner", source("elsewhere/edit/inner.py", false)),
        ("edit.none", ModuleResolution::Nothing),
        ("editor", ModuleResolution::Nothing),
        ("one", source("elsewhere/one.py", false)),
        ("fast", ModuleResolution::Extension),
        ("json", ModuleResolution::Library),
        ("json.decoder", ModuleResolution::Library),
        ("string", ModuleResolution::Library),
        ("_ssl", ModuleResolution::Library),
        ("sys", ModuleResolution::Library),
        ("empty", ModuleResolution::Nothing),
        ("sho", ModuleResolution::Nothing),
        ("none", ModuleResolution::Nothing),
    ] {
        assert_eq!(finder.find_module(name), expected, "{name}");
    }
}

#[test]
fn a_file_is_the_applications_own_unless_it_is_installed() {
    let own = |own: &str, roots: &[&str], file: &str| {
        let roots = roots.iter().map(PathBuf::from).collect();
        ModuleFinder::new(vec![PathBuf::from(own)], roots, &[], &[], None).is_own(Path::new(file))
    };
    for (folder, roots, file, expected) in [
        ("/app", &[][..], "/app/shop.py", true),
        ("/app", &[], "/other/shop.py", false),
        ("/app", &[], "/app/venv/lib/site-packages/x.py", false),
        ("/app", &[], "/app/dist-packages/x.py", false),
        ("/venv/site-packages/shop", &[], "/venv/site-packages/shop/x.py", true),
        ("/app", &["/app", "/app/vendor"], "/app/vendor/x.py", false),
        ("/app", &["/app", "/app/vendor"], "/app/shop.py", true),
    ] {
        assert_eq!(own(folder, roots, file), expected, "{folder} {roots:?} {file}");
    }
}

#[test]
fn imports_are_traced_by_the_most_certain_way() {
    let modules = Modules::new(&[
        (
            "app/shop.py",
            "import a\ndef view():\n    import b\n    import late\nimport gone\ntry:\n    import maybe\nexcept ImportError:\n    pass\n",
        ),
        ("app/a.py", "import b\nimport core\n"),
        ("app/b.py", "from pkg.sub import name\n"),
        ("app/late.py", "import deep\n"),
        ("app/deep.py", ""),
        ("app/core.so", ""),
        ("app/inner.so", ""),
        ("site-packages/pkg/__init__.py", "import missing_in_library\n"),
        ("site-packages/pkg/sub.py", "import sys\n"),
    ]);
    let mut known = KnownImports::default();
    known.loads.insert("core".to_owned(), ["core".to_owned(), "inner".to_owned()].into());
    known.by_framework.insert("deep".to_owned());
    assert_eq!(
        modules.reached(&known),
        [
            "a AtImport 1: shop a",
            "b AtImport 1: shop a b",
            "core AtImport 2: shop a core",
            "deep Lazy -: shop deep",
            "inner AtImport 2: shop a core inner",
            "late Lazy 4: shop late",
            "pkg AtImport 1: shop a b pkg",
            "pkg.sub AtImport 1: shop a b pkg.sub",
            "shop AtImport -: shop",
        ]
    );
    let analysis = modules.trace(&known);
    assert_eq!(analysis.files, 7);
    let texts = |all: &[(crate::model::SourceLocation, crate::model::UnresolvedImport)]| {
        all.iter().map(|(location, what)| format!("{} {what}", location.line)).collect::<Vec<_>>()
    };
    assert_eq!(texts(&analysis.not_followed), ["5 gone is not in the environment"]);
    let elsewhere = texts(&analysis.not_followed_elsewhere);
    assert_eq!(elsewhere, ["1 missing_in_library is not in the environment"]);
}

#[test]
fn a_location_in_a_function_explains_a_later_import_best() {
    let modules = Modules::new(&[
        ("app/shop.py", "NAME = 'late'\n"),
        ("app/late.py", "def run():\n    import deep\n    import deep\n"),
        ("app/deep.py", "import deeper\n"),
        ("app/deeper.py", ""),
    ]);
    assert_eq!(
        modules.reached(&KnownImports::default()),
        [
            "deep Lazy 2: shop late deep",
            "deeper Lazy 2: shop late deep deeper",
            "late Lazy 1: shop late",
            "shop AtImport -: shop",
        ]
    );
}

#[test]
fn strings_reach_modules_of_the_application_and_dotted_ones_of_the_environment() {
    let modules = Modules::new(&[
        ("app/shop.py", "APPS = ['cart', 'lib', 'lib.part', 'lib.gone', 'gone', 'cart.gone', 'plain']\n"),
        ("app/cart/__init__.py", ""),
        ("app/cart/models.py", ""),
        ("app/cart/apps.py", ""),
        ("app/plain.py", ""),
        ("site-packages/lib/__init__.py", ""),
        ("site-packages/lib/part.py", ""),
        ("site-packages/lib/admin.py", ""),
    ]);
    assert_eq!(
        modules.reached(&KnownImports::default()),
        [
            "cart Lazy 1: shop cart",
            "cart.apps Lazy 1: shop cart.apps",
            "cart.models Lazy 1: shop cart.models",
            "lib Lazy 1: shop lib",
            "lib.part Lazy 1: shop lib.part",
            "plain Lazy 1: shop plain",
            "shop AtImport -: shop",
        ]
    );
}

#[test]
fn hazards_of_libraries_are_apart() {
    let modules = Modules::new(&[
        ("app/shop.py", "import os, lib, sys\nos.fork()\nsys.path.append('x')\nimport broken\n"),
        ("app/broken.py", "def\n"),
        ("site-packages/lib.py", "import os\nos.fork()\nos.execv()\n"),
    ]);
    let analysis = modules.trace(&KnownImports::default());
    assert_eq!((analysis.hazards.len(), analysis.elsewhere.len()), (1, 2));
    assert_eq!(analysis.path_changes.len(), 1);
    assert!(analysis.not_followed[0].1.to_string().starts_with("it does not parse"));
    assert_eq!(analysis.reached.iter().filter(|module| module.way == ImportKind::AtImport).count(), 3);
}
