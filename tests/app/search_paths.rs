//! An application's own folders, however its deployment puts them on `sys.path`: the extension modules there are found,
//! tried and judged, and what the application reaches of them decides. In each project `shop.no_slot` is refused with an own
//! GIL; the environment knows nothing of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

/// Imports the package at the first request.
const LAZILY: &str = "def application(environ, start_response):\n    from shop.views import view\n    return view(environ, start_response)\n";
/// Imports it when it is imported itself.
const AT_ONCE: &str = "import shop.views\ndef application(environ, start_response):\n    return shop.views.view(environ, start_response)\n";
/// Does without it.
const GUARDED: &str = "try:\n    from shop import no_slot\nexcept ImportError:\n    no_slot = None\n\
                       def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n";
const VIEWS: &str = "from shop import no_slot\ndef view(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n";

/// A project, and an environment without it.
struct Project {
    folder: TempDir,
    venv: Venv,
}

impl Project {
    /// With the package `shop` in this folder of the project.
    fn new(parent: &str) -> Self {
        let with_module = Venv::new().with("no-slot");
        let folder =
            tempfile::Builder::new().prefix("project-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let project = Self { folder, venv: Venv::new().with("well-behaved") };
        project
            .write(&format!("{parent}/shop/__init__.py"), "")
            .write(&format!("{parent}/shop/views.py"), VIEWS);
        let file = with_module.file("no_slot");
        fs::copy(&file, project.path(parent).join("shop").join(file.file_name().unwrap())).unwrap();
        project
    }

    fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// `{root}` in the text is the project's folder.
    fn write(&self, name: &str, text: &str) -> &Self {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text.replace("{root}", self.root().to_str().unwrap())).unwrap();
        self
    }

    fn audit(&self, args: &[&str]) -> Wsgiaudit {
        Wsgiaudit::new().arg(self.venv.path()).args(args).within(&self.root())
    }

    /// The same as a web server's configuration has it.
    fn serve(&self, config: &str) -> Wsgiaudit {
        self.write("httpd.conf", &format!("WSGIPerInterpreterGIL On\n{config}"));
        self.audit(&["--apache-config", "httpd.conf"])
    }
}

fn application(said: &Said) -> Value {
    said.body()["applications"][0].clone()
}

/// It is the application's own module, and it is refused.
#[track_caller]
fn names_the_module(report: &Value) {
    let modules = report["modules"].as_array().unwrap();
    let module = modules.iter().find(|row| row["name"] == "shop.no_slot").unwrap();
    assert_eq!(module["distribution"], "(the application)");
    assert_eq!(module["modes"]["own-gil"]["verdict"], "blocked");
    assert_eq!(module["modes"]["shared-gil"]["outcome"]["kind"], "imported");
    let blockers = report["blockers"]["own-gil"].as_array().unwrap();
    let blocker = blockers.iter().find(|each| each["distribution"] == "(the application)").unwrap();
    assert_eq!(blocker["roots"][0]["module"], "shop.no_slot");
}

/// Blocked, through the import in this line.
#[track_caller]
fn is_blocked_through(audit: Wsgiaudit, file: &str, line: u64) {
    let said = audit.arg("--format").arg("json").run().ended_with(1);
    names_the_module(&said.body());
    let own = &application(&said)["modes"]["own-gil"];
    let reason = own["reason"].as_str().unwrap();
    assert_eq!(own["verdict"], "blocked", "{reason}");
    assert!(
        reason.starts_with("shop.no_slot: refused: no slot 3; imported at the first call of application(), "),
        "{reason}"
    );
    assert!(reason.ends_with(&format!("{file}:{line}")), "{reason}");
}

#[test]
fn a_package_in_the_folder_where_the_command_runs() {
    let project = Project::new(".");
    project.write("shop/wsgi.py", LAZILY);
    is_blocked_through(project.audit(&["--app", "shop.wsgi:application"]), "shop/wsgi.py", 2);
    let said = project.audit(&["--app", "shop.wsgi:application"]).run().ended_with(1);
    assert!(said.out.contains("(the application)"), "{}", said.out);
    assert!(said.out.contains("wsgiaudit explain refused"), "{}", said.out);
    let closing =
        "WSGIPerInterpreterGIL On for shop.wsgi:application: no. 1 application is in the way (1 blocked).";
    assert!(said.out.contains(closing), "{}", said.out);
    let page = project.audit(&["--app", "shop.wsgi:application", "--format", "html"]).run().ended_with(1);
    assert!(page.out.contains("(the application)"), "{}", page.out);
}

#[test]
fn what_is_imported_at_once_is_blocked_and_what_is_done_without_is_degraded() {
    let project = Project::new(".");
    project.write("shop/wsgi.py", AT_ONCE);
    let said = project.audit(&["--app", "shop.wsgi:application", "--format", "json"]).run().ended_with(1);
    names_the_module(&said.body());
    let own = &application(&said)["modes"]["own-gil"];
    assert_eq!(own["verdict"], "blocked", "{own}");
    assert_eq!(own["cause"]["module"], "shop.no_slot", "{own}");
    project.write("shop/wsgi.py", GUARDED);
    let said = project
        .audit(&["--app", "shop.wsgi:application", "--strict", "--format", "json"])
        .run()
        .ended_with(1);
    names_the_module(&said.body());
    let own = &application(&said)["modes"]["own-gil"];
    assert_eq!(own["verdict"], "degraded", "{own}");
    assert_eq!(own["lost"][0], "shop.no_slot", "{own}");
}

#[test]
fn a_script_by_its_path_beside_its_package() {
    let project = Project::new("site");
    project.write("site/shop.wsgi", LAZILY).write("site/shop/wsgi.py", LAZILY);
    is_blocked_through(project.audit(&["--app", "site/shop.wsgi"]), "/shop.wsgi", 2);
    is_blocked_through(project.audit(&["--app", "site/shop/wsgi.py:application"]), "/wsgi.py", 2);
}

#[test]
fn a_source_layout_and_pythonpath() {
    let project = Project::new("src");
    project.write("src/shop/wsgi.py", LAZILY).write("wsgi/shop.wsgi", LAZILY);
    is_blocked_through(project.audit(&["--app", "shop.wsgi:application"]), "/shop/wsgi.py", 2);
    let audit = project.audit(&["--app", "wsgi/shop.wsgi"]).env("PYTHONPATH", project.path("src"));
    is_blocked_through(audit, "/shop.wsgi", 2);
    let audit = project.audit(&["--app", "shop.wsgi:application"]).env("PYTHONPATH", "src");
    is_blocked_through(audit, "/shop/wsgi.py", 2);
}

#[test]
fn what_the_script_adds_to_sys_path() {
    for (changes, lines) in [
        ("import sys\nsys.path.insert(0, '{root}/lib')\n", 2),
        (
            "import os, sys\nHERE = os.path.dirname(os.path.abspath(__file__))\nsys.path.insert(0, os.path.join(HERE, '..', 'lib'))\n",
            3,
        ),
        ("import sys\nfolder = '{root}/lib'\nif folder not in sys.path:\n    sys.path.append(folder)\n", 4),
        ("import sys\ndef add(folder):\n    sys.path[:0] = [folder]\nadd('{root}/lib')\n", 4),
        ("import site\nsite.addsitedir('{root}/more')\n", 2),
    ] {
        let project = Project::new("lib");
        project.write("more/lib.pth", "{root}/lib\n").write("wsgi/shop.wsgi", &format!("{changes}{LAZILY}"));
        is_blocked_through(project.audit(&["--app", "wsgi/shop.wsgi"]), "/shop.wsgi", lines + 2);
    }
}

#[test]
fn what_a_web_server_is_told_of_the_path() {
    let serves = "WSGIScriptAlias / {root}/wsgi/shop.wsgi application-group=own";
    let project = Project::new("lib");
    project.write("wsgi/shop.wsgi", LAZILY).write("more/lib.pth", "{root}/lib\n");
    for config in [
        format!("WSGIDaemonProcess d python-path={{root}}/lib:{{root}}\n{serves} process-group=d\n"),
        format!("WSGIDaemonProcess d python-path={{root}}/more\n{serves} process-group=d\n"),
        format!("WSGIDaemonProcess d home={{root}}/lib\n{serves} process-group=d\n"),
        format!("WSGIPythonPath {{root}}/lib\n{serves}\n"),
        format!(
            "WSGIDaemonProcess d\n<WSGIInterpreterOptions application-group=own>\nWSGIPythonPath {{root}}/lib\n\
             </WSGIInterpreterOptions>\n{serves} process-group=d\n"
        ),
    ] {
        is_blocked_through(project.serve(&config), "/shop.wsgi", 2);
    }
    // What is for Apache's own processes is not for a daemon process: there the package is not to be found.
    let config = format!("WSGIPythonPath {{root}}/lib\nWSGIDaemonProcess d\n{serves} process-group=d\n");
    let said = project.serve(&config).args(["--format", "json"]).run().ended_with(3);
    let own = &application(&said)["modes"]["own-gil"];
    assert_eq!(own["verdict"], "unknown", "{own}");
    assert!(
        own["reason"].as_str().unwrap().contains("shop.wsgi:2 imports shop, which was not found"),
        "{own}"
    );
}

#[test]
fn one_script_in_two_processes_is_judged_by_the_path_of_each() {
    let project = Project::new("lib");
    project.write("wsgi/shop.wsgi", LAZILY).write("plain/shop/__init__.py", "").write(
        "plain/shop/views.py",
        "def view(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n",
    );
    let serves = |url: &str, process: &str| {
        format!(
            "WSGIScriptAlias /{url} {{root}}/wsgi/shop.wsgi process-group={process} application-group=own\n"
        )
    };
    let config = format!(
        "WSGIDaemonProcess a python-path={{root}}/plain\nWSGIDaemonProcess b python-path={{root}}/lib\n{}{}",
        serves("a", "a"),
        serves("b", "b")
    );
    let said = project.serve(&config).run().ended_with(1);
    assert!(
        said.out.contains("/a -> process group a, application group own: own-gil: ready"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("/b -> process group b, application group own: own-gil: blocked"),
        "{}",
        said.out
    );
}

/// A script in a project whose refused module it does not name, and how the audit ends.
fn unreached(script: &str, status: i32) -> Said {
    let project = Project::new(".");
    project.write("shop.wsgi", script);
    project.audit(&["--app", "shop.wsgi"]).run().ended_with(status)
}

const ANSWERS: &str =
    "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n";

#[test]
fn what_lies_in_its_folder_and_is_not_reached_is_listed() {
    let said = unreached(ANSWERS, 0);
    assert!(said.out.contains("  own-gil: ready\n"), "{}", said.out);
    let listed = "in its own folders, but not reached according to its source:\n    shop.no_slot: shared-gil ready, own-gil blocked\n";
    assert!(said.out.contains(listed), "{}", said.out);
    // An import by a computed name may load it.
    let computed = "import importlib\ndef load(name):\n    return importlib.import_module(name)\n";
    let said = unreached(&format!("{computed}{ANSWERS}"), 3);
    assert!(
        said.out.contains("shop.wsgi:3 loads shop.no_slot (blocked: refused: no slot 3) is not known: "),
        "{}",
        said.out
    );
    assert!(said.out.contains("  own-gil: unknown: whether "), "{}", said.out);
}

#[test]
fn where_it_looks_for_modules_is_never_guessed() {
    for (script, told) in [
        (
            "import sys\nsys.path.append('/srv/nowhere')\n",
            "/srv/nowhere is on its sys.path but does not exist here",
        ),
        ("import sys\nsys.path.append('lib')\n", "its sys.path holds the server's working directory (lib)"),
        (
            "import os, sys\nsys.path.append(os.getcwd())\n",
            "its sys.path holds the server's working directory",
        ),
        (
            "import sys\ndef later(folder):\n    sys.path.insert(0, folder)\n",
            "shop.wsgi:3 changes sys.path (sys.path.insert), but did not run at import",
        ),
        (
            "import os, sys\nif os.environ.get('SHOP_LIB'):\n    sys.path += [os.environ['SHOP_LIB']]\n",
            "shop.wsgi:3 changes sys.path (sys.path = ...), but did not run",
        ),
        (
            "import sys\nclass Finder:\n    @staticmethod\n    def find_spec(name, path=None, target=None):\n        return None\nsys.meta_path.append(Finder)\n",
            "shop.wsgi:6 changes where Python looks for modules (sys.meta_path.append): its effect is not known",
        ),
        ("def later():\n    import absent\n", "shop.wsgi:2 imports absent, which was not found"),
    ] {
        let said = unreached(&format!("{script}{ANSWERS}"), 3);
        let unknown =
            said.out.lines().find(|line| line.starts_with("  own-gil: unknown: ")).unwrap_or_default();
        assert!(unknown.contains(told), "{told}\n{}", said.out);
    }
}

#[test]
fn the_standard_library_s_own_modules_leave_nothing_open() {
    let project = Project::new("lib");
    // Built into this Python, and another platform's.
    let lazily = "def later():\n    import _interpreters, winreg\n";
    project.write("plain/site.wsgi", &format!("{lazily}{ANSWERS}"));
    let said = project.audit(&["--app", "plain/site.wsgi"]).run().ended_with(0);
    assert!(said.out.contains("  own-gil: ready\n"), "{}", said.out);
}

/// An environment that serves the project's package through an editable install.
fn editable(project: &Project, has_finder: bool) -> Venv {
    let venv = Venv::new().with("well-behaved");
    let root = project.root();
    let lib = root.join("lib");
    let url = format!("{{\"url\": \"file://{}\", \"dir_info\": {{\"editable\": true}}}}", root.display());
    let venv = venv
        .with_file("shop-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
        .with_file("shop-1.0.dist-info/RECORD", "shop-1.0.dist-info/METADATA,,\n")
        .with_file("shop-1.0.dist-info/top_level.txt", "shop\n")
        .with_file("shop-1.0.dist-info/direct_url.json", &url);
    if !has_finder {
        return venv.with_file("__editable__.shop-1.0.pth", &format!("{}\n", lib.display()));
    }
    let finder = format!(
        "import importlib.util, sys\nMAPPING = {{'shop': {:?}}}\nclass Finder:\n    @classmethod\n    \
         def find_spec(cls, name, path=None, target=None):\n        if name in MAPPING:\n            \
         return importlib.util.spec_from_file_location(name, MAPPING[name] + '/__init__.py',\n                \
         submodule_search_locations=[MAPPING[name]])\ndef install():\n    sys.meta_path.append(Finder)\n",
        lib.join("shop")
    );
    venv.with_file("__editable___shop_1_0_finder.py", &finder).with_file(
        "__editable__.shop-1.0.pth",
        "import __editable___shop_1_0_finder; __editable___shop_1_0_finder.install()\n",
    )
}

#[test]
fn editable_installs_are_imported_as_a_deployment_imports_them() {
    for has_finder in [false, true] {
        let project = Project::new("lib");
        project.write("lib/shop/wsgi.py", LAZILY).write("use.py", "import shop.views\n");
        project.write("shop.http", "GET /\n").write("empty/here", "");
        let venv = editable(&project, has_finder);
        let audit = |args: &[&str]| {
            Wsgiaudit::new().arg(venv.path()).args(args).within(&project.path("empty")).run().ended_with(1)
        };
        let said = audit(&["--exercise", "../use.py"]);
        assert!(
            said.out.contains("  own-gil: blocked: needs shop.no_slot, refused: no slot 3\n"),
            "{}",
            said.out
        );
        let said = audit(&["--app", "shop.wsgi:application", "--requests", "../shop.http"]);
        let reason = "own-gil: blocked: shop.no_slot: refused: no slot 3; imported at the first call of application(), ";
        assert!(said.out.contains(reason), "{}", said.out);
        assert!(said.out.contains("lib/shop/wsgi.py:2\n"), "{}", said.out);
        assert!(
            said.out.contains("  own-gil: blocked: GET / needs shop.no_slot, refused: no slot 3\n"),
            "{}",
            said.out
        );
    }
}

#[test]
fn what_runs_finds_the_environment_itself_and_leaves_it_alone() {
    let venv = Venv::new().with("well-behaved").with_file("marked.pth", "import sys; sys.marked = True\n");
    let root = venv.path().canonicalize().unwrap();
    let before = venv.listing();
    let folder = tempfile::tempdir().unwrap();
    let checks = format!(
        "import importlib.metadata, os, sys, sysconfig\nassert os.path.realpath(sys.prefix) == {root:?}, sys.prefix\n\
         assert sys.prefix != sys.base_prefix\nassert sys.executable.startswith(sys.prefix), sys.executable\n\
         assert sys.marked\nassert importlib.metadata.version('corpus-well-behaved')\n"
    );
    fs::write(folder.path().join("use.py"), &checks).unwrap();
    fs::write(folder.path().join("site.wsgi"), format!("{checks}{ANSWERS}")).unwrap();
    fs::write(folder.path().join("site.http"), "GET /\n").unwrap();
    let args = ["--exercise", "use.py", "--app", "site.wsgi", "--requests", "site.http"];
    let said = Wsgiaudit::new().arg(venv.path()).args(args).within(folder.path()).run().ended_with(0);
    assert_eq!(said.out.matches("  own-gil: ready\n").count(), 3, "{}", said.out);
    assert_eq!(venv.listing(), before);
}

#[test]
fn a_script_that_hides_what_it_wants_to_use_is_told_to_take_another_name() {
    let venv = Venv::new().with("no-slot");
    let folder = tempfile::tempdir().unwrap();
    let audit = |file: &str, status: i32| {
        fs::write(folder.path().join(file), "import no_slot\nno_slot.__doc__\n").unwrap();
        let audit = Wsgiaudit::new().arg(venv.path()).args(["--exercise", file]).within(folder.path());
        audit.run().ended_with(status).out
    };
    let said = audit("no_slot.py", 1);
    let told = "  own-gil: unknown: it was not run: the script is named like no_slot, which is installed (";
    assert!(said.contains(told), "{said}");
    assert!(said.contains("rename the script, e.g. to use_no_slot.py"), "{said}");
    // The file is still there, beside another script.
    let said = audit("use.py", 1);
    assert!(said.contains("its no_slot is imported instead of what is installed under that name"), "{said}");
    fs::remove_file(folder.path().join("no_slot.py")).unwrap();
    let said = audit("queue.py", 1);
    assert!(said.contains("its queue is imported instead of the standard library's"), "{said}");
    assert!(said.contains("  own-gil: blocked: needs no_slot, refused: no slot 3\n"), "{said}");
}

#[test]
fn an_application_that_hides_what_is_installed_is_told() {
    let project = Project::new(".");
    project.write("shop/wsgi.py", LAZILY).write("well_behaved.py", "");
    let said = project.audit(&["--app", "shop.wsgi:application"]).run().ended_with(1);
    assert!(said.out.contains("its well_behaved is imported instead of what is installed"), "{}", said.out);
}

#[test]
fn a_folder_that_holds_much_is_looked_at_where_it_is_imported_from() {
    let project = Project::new(".");
    project.write("shop/wsgi.py", LAZILY).write("other/__init__.py", "");
    let file = fs::read_dir(project.path("shop")).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|file| file.extension().is_some_and(|suffix| suffix == "so")).unwrap();
    fs::copy(&file, project.path("other").join(file.file_name().unwrap())).unwrap();
    let audit = || project.audit(&["--app", "shop.wsgi:application"]).env("HOME", project.root());
    is_blocked_through(audit(), "shop/wsgi.py", 2);
    let said = audit().run().ended_with(1);
    assert!(said.out.contains("holds much besides the application"), "{}", said.out);
    assert!(!said.out.contains("other.no_slot"), "{}", said.out);
}

/// Files that a test reads belong to it.
#[test]
fn the_project_is_left_alone() {
    let project = Project::new(".");
    project.write("shop/wsgi.py", LAZILY);
    let listing = |folder: &Path| {
        let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
        entries.map(|entry| entry.path().to_owned()).collect::<Vec<_>>()
    };
    let before = listing(&project.root());
    project.audit(&["--app", "shop.wsgi:application"]).run().ended_with(1);
    assert_eq!(listing(&project.root()), before);
}
