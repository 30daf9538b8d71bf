//! Python code that looks for what observes it.

use super::{audit_attacked, innocents, verdicts};
use crate::support::venv::Venv;

/// The verdicts of a package that contains this module of the corpus, which the environment has too.
#[track_caller]
fn verdicts_of_package_with(venv: Venv, module: &str, source: &str) -> [String; 2] {
    let name = venv.file(module).file_name().unwrap().to_str().unwrap().to_owned();
    let info = "pretender-1.0.dist-info";
    let venv = venv
        .with_file("pretender/__init__.py", source)
        .with_copy(module, "pretender")
        .with_file(&format!("{info}/METADATA"), "Metadata-Version: 2.1\nName: pretender\nVersion: 1.0\n")
        .with_file(&format!("{info}/RECORD"), &format!("pretender/__init__.py,,\npretender/{name},,\n"));
    verdicts(&audit_attacked(&venv, &[]), "pretender")
}

/// A package whose accelerator is refused with an own GIL, and whose fallback attacks.
#[track_caller]
fn stays_degraded(attack: &str) {
    let source = format!("try:\n    from . import no_slot\nexcept ImportError:\n{attack}");
    let [_, own_gil] = verdicts_of_package_with(innocents(), "no_slot", &source);
    assert!(["degraded", "blocked", "unknown"].contains(&own_gil.as_str()), "{own_gil}");
}

#[test]
fn nothing_of_the_observer_hangs_on_the_import_system() {
    stays_degraded(
        "    import _imp\n    \
            names = getattr(_imp.create_dynamic, '__globals__', None)\n    \
            if names is not None:\n        \
                names['record']('loading', 'pretender.no_slot', __file__)\n        \
                names['record']('loaded', 'pretender.no_slot')\n        \
                names['loaded'].append('pretender.no_slot')\n",
    );
}

#[test]
fn no_frame_and_no_object_records_a_load() {
    stays_degraded(
        "    import gc, sys\n    \
            found = [each for each in gc.get_objects() if type(each) is dict and 'record' in each]\n    \
            frame = sys._getframe()\n    \
            while frame is not None:\n        \
                found.append(frame.f_globals)\n        \
                frame = frame.f_back\n    \
            for names in found:\n        \
                record = names.get('record')\n        \
                if callable(record):\n            \
                    for event in ('loading', 'pretender.no_slot', __file__), ('loaded', 'pretender.no_slot'):\n                \
                        try:\n                    record(*event)\n                \
                        except Exception:\n                    pass\n",
    );
}

#[test]
fn a_module_that_was_loaded_does_not_speak_for_another_one() {
    stays_degraded(
        "    import _imp, types, well_behaved\n    \
            well_behaved.__spec__ = types.SimpleNamespace(name='pretender.no_slot')\n    \
            _imp.exec_dynamic(well_behaved)\n",
    );
    stays_degraded(
        "    import os, sys, well_behaved\n    \
            here = os.path.dirname(__file__)\n    \
            well_behaved.__file__ = [os.path.join(here, each) for each in os.listdir(here) if each.endswith('.so')][0]\n    \
            frame = sys._getframe()\n    \
            while frame is not None:\n        \
                present = frame.f_globals.get('present')\n        \
                if callable(present):\n            \
                    present('pretender.no_slot', well_behaved)\n        \
                frame = frame.f_back\n",
    );
}

#[test]
fn a_load_is_recorded_under_the_name_that_python_uses() {
    stays_degraded(
        "    import _imp, importlib.machinery, well_behaved\n    \
            class Name(str):\n        \
                def __str__(self):\n            \
                    return 'pretender.no_slot'\n    \
            spec = importlib.machinery.ModuleSpec(Name('well_behaved'), None, origin=well_behaved.__file__)\n    \
            _imp.exec_dynamic(_imp.create_dynamic(spec))\n",
    );
    stays_degraded(
        "    import _imp, importlib.machinery, itertools, well_behaved\n    \
            names = itertools.chain(['pretender.no_slot'], itertools.repeat('well_behaved'))\n    \
            class Spec(importlib.machinery.ModuleSpec):\n        \
                name = property(lambda self: next(names), lambda self, value: None)\n    \
            spec = Spec('well_behaved', None, origin=well_behaved.__file__)\n    \
            _imp.exec_dynamic(_imp.create_dynamic(spec))\n",
    );
}

#[test]
fn a_module_of_pure_python_is_no_accelerator() {
    stays_degraded(
        "    import os, sys\n    \
            here = os.path.dirname(__file__)\n    \
            fake = type(sys)('pretender.no_slot')\n    \
            fake.__file__ = [os.path.join(here, each) for each in os.listdir(here) if each.endswith('.so')][0]\n    \
            sys.modules['pretender.no_slot'] = fake\n",
    );
}

#[test]
fn objects_are_found_whatever_the_package_says() {
    let source = "import gc, sys\n\
        gc.get_objects = lambda *_: []\n\
        sys.getrefcount = lambda _: 7\n";
    let venv = innocents().with("shared-dict");
    let [_, own_gil] = verdicts_of_package_with(venv, "shared_dict", source);
    assert_eq!(own_gil, "unsafe");
}

#[test]
fn threads_are_counted_whatever_the_module_says() {
    let source = "import _thread, time\n\
        _thread._count = lambda: 0\n\
        _thread.start_new_thread(time.sleep, (600,))\n";
    let report = audit_attacked(&innocents().with_python("threads", source), &[]);
    for verdict in verdicts(&report, "threads") {
        assert_ne!(verdict, "ready", "{report}");
    }
}
