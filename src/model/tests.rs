//! Names, verdicts and texts of each type, in tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

/// The text of a value in JSON, which must give the same value when it is read.
fn json<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) -> String {
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), value);
    text.trim_matches('"').to_owned()
}

#[test]
fn names_in_json_are_names_in_tables() {
    for mode in Mode::ALL {
        assert_eq!((json(mode), format!("{mode}")), (mode.name().to_owned(), mode.name().to_owned()));
    }
    for verdict in Verdict::ALL {
        assert_eq!((json(verdict), format!("{verdict}")), (verdict.name().into(), verdict.name().into()));
    }
    for kind in OutcomeKind::ALL {
        assert_eq!(json(kind), kind.name());
    }
    for class in ExtensionFileClass::ALL {
        assert_eq!(json(class), class.name());
    }
    for (phase, name, phrase) in [
        (TrialPhase::Startup, "startup", "while the interpreter started"),
        (TrialPhase::Import, "import", "at import"),
        (TrialPhase::SecondInterpreter, "second-interpreter", "in the second interpreter"),
        (TrialPhase::UseAfterEnd, "use-after-end", "after the first interpreter ended"),
        (
            TrialPhase::AfterAnotherEnded,
            "after-another-ended",
            "after another interpreter ended, though not before",
        ),
        (TrialPhase::Call, "call", "when its functions are called, though not in the main interpreter"),
        (TrialPhase::Teardown, "teardown", "when the interpreter ended"),
        (TrialPhase::Exit, "exit", "when the process ended, after its interpreters"),
        (TrialPhase::Storm, "storm", "when threads import and use it at the same time"),
    ] {
        assert_eq!((json(phase), phase.name(), phase.phrase()), (name.to_owned(), name, phrase));
    }
    for (init, name) in [
        (InitKind::SinglePhase, "single-phase"),
        (InitKind::MultiPhase, "multi-phase"),
        (InitKind::ModExport, "PyModExport"),
        (InitKind::None, "none"),
        (InitKind::Undetermined, "undetermined"),
    ] {
        assert_eq!((json(init), init.name()), (name.to_owned(), name));
    }
    for (used, name, weight) in [
        (VariableUse::State, "state", HazardWeight::High),
        (VariableUse::GuardsOutside, "guards-outside", HazardWeight::Middle),
        (VariableUse::Changed, "changed", HazardWeight::Middle),
        (VariableUse::FilledOnce, "filled-once", HazardWeight::Low),
    ] {
        assert_eq!((json(used), used.name(), used.weight()), (name.to_owned(), name, weight));
    }
    assert_eq!((json(Refuser::CPython), json(Refuser::Module)), ("cpython".into(), "module".into()));
    let slots =
        [SlotDeclaration::Undetermined, SlotDeclaration::Absent, SlotDeclaration::Value(2)].map(|slot| {
            assert_eq!(json(slot), slot.to_string());
            slot.to_string()
        });
    assert_eq!(slots, ["undetermined", "absent", "2"]);
}

#[test]
fn names_fill_a_column() {
    assert_eq!(format!("{:>8}|{:8}|", Mode::Main, Verdict::Ready), "    main|ready   |");
    assert_eq!((Verdict::NotApplicable.short_name(), Verdict::Unsafe.short_name()), ("n/a", "unsafe"));
}

#[test]
fn a_mode_has_its_interpreters() {
    let facts = Mode::ALL.map(|mode| (mode.interpreters().len(), mode.is_free_threaded()));
    assert_eq!(facts, [(1, false), (4, false), (3, false), (3, false), (1, true), (4, true)]);
    assert_eq!(Mode::FreeThreaded.interpreters(), ["main"]);
    assert_eq!(Mode::OwnGil.interpreters(), ["A", "B", "C"]);
}

#[test]
fn an_import_inside_another_is_as_uncertain_as_both() {
    use ImportKind::{AtImport, Conditional, Lazy, LazyOptional, Optional};
    for (outer, inner, both) in [
        (AtImport, AtImport, AtImport),
        (AtImport, Conditional, Conditional),
        (Conditional, AtImport, Conditional),
        (Conditional, Optional, Optional),
        (AtImport, Lazy, Lazy),
        (Lazy, AtImport, Lazy),
        (Optional, Lazy, LazyOptional),
        (Lazy, Optional, LazyOptional),
        (LazyOptional, AtImport, LazyOptional),
        (AtImport, LazyOptional, LazyOptional),
    ] {
        assert_eq!(outer.followed_by(inner), both, "{outer:?} {inner:?}");
    }
    let names = [AtImport, Conditional, Optional, Lazy, LazyOptional].map(ImportKind::name);
    assert_eq!(names, ["at-import", "conditional", "optional", "lazy", "lazy-optional"]);
}

#[test]
fn an_interpreter_has_the_modes_of_its_build() {
    let python = |version, free_threaded| Interpreter { version, free_threaded, ..Interpreter::example() };
    let (with_gil, without) = (python((3, 12, 1), false), python((3, 14, 0), true));
    assert_eq!(with_gil.target(), TargetPython { version: (3, 12), free_threaded: false });
    assert_eq!(without.target(), TargetPython { version: (3, 14), free_threaded: true });
    assert_eq!(with_gil.modes(false), Mode::WITH_GIL);
    assert_eq!(with_gil.modes(true), Mode::WITH_COPIES);
    assert_eq!(without.modes(true), Mode::OF_FREE_THREADED_BUILD);
    assert_eq!([(3, 11, 9), (3, 12, 0)].map(|version| python(version, false).has_own_gil()), [false, true]);
    assert_eq!(InstalledDistribution::application_placeholder().name, "(the application)");
}

#[test]
fn locations_and_doubts_are_shown() {
    let line = ConfigLocation { file: "/etc/a.conf".into(), line: 3 };
    assert_eq!(line.to_string(), "/etc/a.conf:3");
    assert_eq!(Doubt("stripped".to_owned()).to_string(), "stripped");
    let mut site = CrashLocation { object: "a.so".to_owned(), symbol: Some("f".to_owned()), offset: 1 };
    assert_eq!(site.to_string(), "in f of a.so");
    site.symbol = None;
    assert_eq!(site.to_string(), "in a.so");
    let signals = [4, 6, 7, 8, 9, 11, 15, 12].map(|number| AbnormalExit::Signal(number).to_string());
    let names = ["SIGILL", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGSEGV", "SIGTERM", "signal 12"]
        .map(String::from);
    assert_eq!(signals, names);
    assert!(AbnormalExit::Signal(31).to_string().starts_with("SIGSYS: "));
    assert_eq!(AbnormalExit::Exit(3).to_string(), "exit status 3 without an answer");
}

#[test]
fn declarations_follow_from_slots() {
    use SlotDeclaration::{Absent, Undetermined, Value};
    let of = |initialisation, slots: Option<&[(u16, u64)]>| BinaryFacts {
        initialisation,
        slots: slots.map(|all| all.iter().map(|(id, value)| Slot { id: *id, value: *value }).collect()),
        ..BinaryFacts::undetermined("why")
    };
    for (facts, slot_3, slot_4, could_declare) in [
        (of(InitKind::SinglePhase, None), Absent, Absent, false),
        (of(InitKind::SinglePhase, Some(&[(3, 2)])), Absent, Absent, false),
        (of(InitKind::MultiPhase, None), Undetermined, Undetermined, false),
        (of(InitKind::MultiPhase, Some(&[(2, 9)])), Absent, Absent, true),
        (of(InitKind::MultiPhase, Some(&[(2, 9), (3, 1), (4, 1)])), Value(1), Value(1), true),
        (of(InitKind::MultiPhase, Some(&[(3, 2)])), Value(2), Absent, false),
        (of(InitKind::ModExport, Some(&[(86, 0), (87, 0)])), Value(0), Value(0), true),
        (of(InitKind::None, Some(&[])), Absent, Absent, false),
    ] {
        assert_eq!((facts.multiple_interpreters_slot(), facts.gil_slot()), (slot_3, slot_4), "{facts:?}");
        assert_eq!(facts.could_declare_own_gil(), could_declare, "{facts:?}");
    }
    let open = BinaryFacts::undetermined("why");
    assert_eq!((open.initialisation, open.doubts), (InitKind::Undetermined, vec![Doubt("why".to_owned())]));
}

#[test]
fn a_judgement_has_the_verdict_of_its_reason() {
    let unknown = Judgement::from_reason_id(ReasonId::TooSlow, "slow");
    let expected = Judgement {
        reason_id: Some(ReasonId::TooSlow),
        ..Judgement::from_evidence(Verdict::Unknown, None, "slow")
    };
    assert_eq!(unknown, expected);
    assert_eq!(Judgement::from_reason_id(ReasonId::OtherAbi, "").verdict, Verdict::NotApplicable);
    let ready = Judgement::ready("fine");
    assert_eq!((ready.verdict, ready.reason.as_str(), ready.reason_id), (Verdict::Ready, "fine", None));
}

#[test]
fn a_file_has_a_folder_and_is_tried_or_not() {
    let name = || "x".to_owned();
    for (kind, class, is_subject) in [
        (ExtensionFileKind::ExtensionModule, ExtensionFileClass::ExtensionModule, true),
        (ExtensionFileKind::PlainLibrary, ExtensionFileClass::PlainLibrary, false),
        (ExtensionFileKind::OtherAbi, ExtensionFileClass::OtherAbi, false),
        (ExtensionFileKind::OtherArchitecture(name()), ExtensionFileClass::OtherArchitecture, false),
        (ExtensionFileKind::BrokenLink, ExtensionFileClass::BrokenLink, false),
        (ExtensionFileKind::UnimportableName, ExtensionFileClass::UnimportableName, false),
        (ExtensionFileKind::Shadowed(name()), ExtensionFileClass::Shadowed, false),
        (ExtensionFileKind::Corrupt(name()), ExtensionFileClass::Corrupt, true),
        (ExtensionFileKind::Unreadable(name()), ExtensionFileClass::Unreadable, false),
        (ExtensionFileKind::OtherNames(vec![name()]), ExtensionFileClass::OtherNames, false),
        (ExtensionFileKind::Archived { has_stub: false }, ExtensionFileClass::Archived, false),
        (ExtensionFileKind::Archived { has_stub: true }, ExtensionFileClass::Archived, true),
        (ExtensionFileKind::UserSite, ExtensionFileClass::UserSite, false),
    ] {
        let file = ExtensionFile {
            name: "a.b".to_owned(),
            path: "/venv/site/a/b.so".into(),
            file: "a/b.so".to_owned(),
            distribution: None,
            kind,
            facts: BinaryFacts::undetermined(""),
            sha256: None,
            size: 0,
            toolchain: None,
        };
        assert_eq!((file.kind.class(), file.is_trial_subject()), (class, is_subject), "{:?}", file.kind);
        assert_eq!(file.folder(), "/venv/site");
    }
}

fn error(kind: &str, text: &str) -> PythonError {
    PythonError { kind: kind.to_owned(), text: text.to_owned(), chain: Vec::new() }
}

#[test]
fn an_outcome_has_a_kind_a_phase_and_a_suspect() {
    let (place, loading, suspect) = (TrialPhase::Storm, Some("m".to_owned()), Some("m".to_owned()));
    let object = |module: Option<&str>| SharedPythonObject {
        kind: "dict".to_owned(),
        is_type: false,
        is_static: false,
        module: module.map(str::to_owned),
        ways: [String::new(), String::new()],
    };
    let refused = TrialOutcome::Refused {
        by: Refuser::Module,
        module: "m".to_owned(),
        place,
        error: error("ImportError", "no"),
    };
    let raised = TrialOutcome::Raised { place, error: error("ImportError", "no"), suspect };
    let crashed = TrialOutcome::Crashed { how: AbnormalExit::Exit(1), place, loading: loading.clone() };
    let shares = TrialOutcome::Shares { count: 2, objects: vec![object(None), object(Some("m"))] };
    let how = IsolationBreach::EntersMain { thread: "pump".to_owned() };
    let breaks = TrialOutcome::BreaksIsolation { how, place, module: loading.clone() };
    let (storm, m) = (Some(TrialPhase::Storm), Some("m"));
    for (outcome, kind, phase, suspect, has_error) in [
        (TrialOutcome::Imported, OutcomeKind::Imported, None, None, false),
        (refused, OutcomeKind::Refused, storm, m, true),
        (raised, OutcomeKind::Raised, storm, m, true),
        (crashed, OutcomeKind::Crashed, storm, m, false),
        (TrialOutcome::TimedOut { place, loading: loading.clone() }, OutcomeKind::TimedOut, storm, m, false),
        (TrialOutcome::LosesDescriptors { place, loading }, OutcomeKind::LosesDescriptors, storm, m, false),
        (
            TrialOutcome::LeftThreads { names: Vec::new() },
            OutcomeKind::LeftThreads,
            Some(TrialPhase::Teardown),
            None,
            false,
        ),
        (shares, OutcomeKind::Shares, Some(TrialPhase::SecondInterpreter), m, false),
        (breaks, OutcomeKind::BreaksIsolation, storm, m, false),
        (TrialOutcome::NotRun(NotRunReason::Shadowed(None)), OutcomeKind::NotRun, None, None, false),
    ] {
        assert_eq!((outcome.kind(), outcome.phase(), outcome.suspect()), (kind, phase, suspect));
        assert_eq!(outcome.error().is_some(), has_error, "{kind:?}");
        assert_eq!(outcome.was_tried(), kind != OutcomeKind::NotRun);
    }
}

#[test]
fn an_error_tells_of_a_limit_by_its_words() {
    for (text, limit) in [
        ("/x/libgomp.so.1: cannot allocate memory in static TLS block", Some("static thread-local storage")),
        ("/x/a.so: failed to map segment from shared object", Some("memory mappings")),
        ("[Errno 24] Too many open files: 'x'", Some("open files")),
        ("undefined symbol: x", None),
    ] {
        assert_eq!(error("ImportError", text).process_limit(), limit);
    }
}

#[test]
fn errors_are_recognized_by_type_and_text() {
    let missing = "No module named 'a.b'";
    assert_eq!(error("ModuleNotFoundError", missing).missing_module(), Some("a.b"));
    assert_eq!(error("ImportError", missing).missing_module(), None);
    assert_eq!(error("ModuleNotFoundError", "other").missing_module(), None);
    let refusal = "module m does not support loading in subinterpreters";
    for (kind, text, is_refusal) in [
        ("ImportError", refusal, true),
        ("ValueError", refusal, false),
        ("ImportError", "module m is missing", false),
        ("ImportError", "it does not support loading in subinterpreters", false),
    ] {
        assert_eq!(error(kind, text).is_cpython_refusal(), is_refusal, "{kind}: {text}");
    }
}

#[test]
fn a_trial_knows_its_replies_and_loads() {
    let mut trial = Trial::not_run("shop", Mode::OwnGil, NotRunReason::Shadowed(None));
    assert_eq!(trial.parse_request_times(), Vec::<f64>::new());
    let reply = |index| format!("{}0\t{index}\tanswered\t1.5\t200 OK\t4\tab\t''", Reply::MARK);
    trial.answers = vec!["ran\tx".to_owned(), reply(0), reply(1), format!("{}1.5,2", Reply::TIMES)];
    assert_eq!(trial.parse_replies().map(|reply| reply.index).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(trial.parse_request_times(), [1.5, 2.0]);
    let load = |interpreter: &str, name: &str, result| ModuleLoad {
        interpreter: interpreter.to_owned(),
        name: name.to_owned(),
        path: String::new(),
        chain: Vec::new(),
        enables_gil: false,
        declared: None,
        behind: None,
        raised_in: None,
        result,
    };
    let everywhere = ["A", "B", "C"].map(|interpreter| load(interpreter, "m", Some(Ok(()))));
    let some = [
        load("A", "n", Some(Ok(()))),
        load("B", "n", Some(Err(error("ImportError", "")))),
        load("C", "n", None),
    ];
    trial.loads = everywhere.into_iter().chain(some).collect::<Arc<[_]>>();
    assert_eq!(trial.successful_loads().count(), 4);
    assert_eq!(["m", "n"].map(|name| trial.is_loaded_in_all_interpreters(name)), [true, false]);
    let other = trial.clone_for_subject("cart");
    assert_eq!((other.subject.as_str(), other.through.as_deref()), ("cart", Some("shop")));
    assert_eq!((other.answers, other.held), (trial.answers, BTreeMap::new()));
}

#[test]
fn every_kind_of_reply_is_parsed() {
    for (kind, name) in [
        (ReplyKind::Answered, "answered"),
        (ReplyKind::NothingCaptured, "nothing-captured"),
        (ReplyKind::Differs, "differs"),
        (ReplyKind::Failed, "failed"),
        (ReplyKind::Raised, "raised"),
    ] {
        let line = format!("{}1\t2\t{name}\t1.5\t200 OK\t4\tab12\t''", Reply::MARK);
        assert_eq!((kind.name(), Reply::parse_line(&line).map(|reply| reply.end)), (name, Some(kind)));
    }
    let endless = format!("{}1\t2\tdiffers\tinf\t200 OK\t4\tab12\t''", Reply::MARK);
    assert_eq!(Reply::parse_line(&endless), None);
}
