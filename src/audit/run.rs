//! A run, from the environment's folder to the report: the table of contents.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use super::application;
use super::deployment::Configured;
use super::disk;
use super::exercise;
use super::free_threaded;
use super::named::{self, Only};
use super::remembered;
use super::request_list::RequestList;
use super::requests;
use super::scratch::Scratch;
use super::suites;
use super::ways_out;
use crate::cache::Cache;
use crate::model::{Cause, Environment, Facts, FileKind, Interpreter, Judgement, Mode, ReasonId, Verdict};
use crate::plan::Plan;
use crate::report::v1::{self, Header};
use crate::report::{DecidedBy, Document, Evidence, Places, Report, assemble, join};
use crate::rules::{Beside, Case, refused_by_declaration};
use crate::trial::{
    self, Again, Given, Library, Listener, OnceMore, SearchPath, Stop, Subject, Trials, Trying,
};
use crate::venv::{self, Installed, Located};

/// Audits an environment, and with it the free-threaded one that the plan names.
///
/// # Errors
/// When there is no environment, or the audit's own folder cannot be made. What is wrong inside the
/// environment is part of the report.
pub fn run(plan: &Plan, listener: &dyn Listener, stop: &Stop) -> Result<Document> {
    let (started, clock) = (jiff::Timestamp::now(), Instant::now());
    let configured = plan.apache.as_ref();
    let configured = configured.map(|(file, names)| Configured::read(file, names)).transpose()?;
    let scratch = Scratch::new()?;
    let library = Library::install(scratch.path()).context("cannot write the probes' library")?;
    let given = plan.given.kept_in(scratch.path()).context("cannot copy what --file and --writable name")?;
    // What is wrong in it is told before hours of trials.
    let names: Vec<String> = given.names().map(str::to_owned).collect();
    let requests = plan.requests.as_deref().map(|file| RequestList::read(file, &names)).transpose()?;
    let running = Running { plan, scratch: &scratch, library: &library, given, requests, listener, stop };
    let mut located = venv::locate(&plan.environment)?;
    let mut only = None;
    if let Some(named) = &plan.only {
        let (around, part) = named::make(named, &located, &scratch)?;
        (located, only) = (around, Some(part));
    }
    let mut first = running.audit(&located, only.as_ref(), Question::AllModes);
    if let Some(only) = &only {
        only.add(&mut first);
    }
    first.notes.extend(running.given.note());
    let second = free_threaded::second(&running, &mut first);
    if stop.is_set() {
        first.trouble.push("interrupted: what was not tried by then is unknown".to_owned());
    }
    let mut places = Places::default();
    places.add(trial::SCRATCH.trim_matches(['{', '}']), scratch.path());
    first.name_places(&mut places, ["environment", "python"]);
    if let Some(second) = &second {
        second.audited.name_places(&mut places, ["free-threaded environment", "free-threaded python"]);
    }
    let report = first.report(None);
    let mut report = match &second {
        Some(second) => join(report, second.audited.report(Some(&second.beside)), &second.absent),
        None => report,
    };
    if only.is_some() {
        Only::hold_to_each(&mut report);
    }
    let environments: Vec<&Audited> =
        [Some(&first), second.as_ref().map(|second| &second.audited)].into_iter().flatten().collect();
    if plan.upgrades && !stop.is_set() {
        ways_out::add(&running, &environments, &mut report);
    }
    let scripts = configured.as_ref().map(Configured::scripts).unwrap_or_default();
    application::add(&running, &first, &scripts, &mut places, &mut report)?;
    exercise::add(&running, &environments, &mut report)?;
    requests::add(&running, &environments, &scripts, &mut report)?;
    application::doubt_open_imports(&mut report);
    suites::add(&running, &first, &mut report)?;
    if let Some(configured) = &configured {
        configured.add(&first, &mut places, &mut report);
    }
    let document = places.hide(&Document::from(&report)).context("cannot write the report")?;
    let started = started.round(jiff::Unit::Second).unwrap_or(started).to_string();
    let (remembered, all) = environments.iter().fold((0, 0), |(remembered, all), audited| {
        let (found, asked) = audited.cache.as_ref().map_or((0, 0), Cache::count);
        (remembered + found, all + asked)
    });
    let trials = (all > 0).then_some(v1::Remembered { all, remembered });
    let header = Header {
        started,
        seconds: clock.elapsed().as_secs_f64(),
        places: places.named(),
        trials,
        requests: v1::RequestTimes::of(&report),
    };
    Ok(Document { header: Some(header), ..document })
}

/// What an audit works with.
pub(super) struct Running<'a> {
    pub(super) plan: &'a Plan,
    pub(super) scratch: &'a Scratch,
    library: &'a Library,
    given: Given,
    pub(super) requests: Option<RequestList>,
    listener: &'a dyn Listener,
    stop: &'a Stop,
}

/// Which modes an environment is tried in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// All that its Python can be tried in.
    AllModes,
    /// Those of a free-threaded build, beside another environment.
    FreeThreading,
}

/// One environment, read and tried.
#[derive(Debug)]
pub(super) struct Audited {
    pub(super) environment: Environment,
    pub(super) installed: Installed,
    decided_by: DecidedBy,
    pub(super) modes: &'static [Mode],
    pub(super) trials: Trials,
    once_more: OnceMore,
    pub(super) no_trials: BTreeMap<Mode, Judgement>,
    pub(super) notes: Vec<String>,
    pub(super) trouble: Vec<String>,
    cache: Option<Cache>,
}

impl Audited {
    /// The folders whose names do not belong into the report: the environment's, and its base Python's.
    fn name_places(&self, places: &mut Places, [environment, python]: [&str; 2]) {
        places.add(environment, &self.environment.root);
        let interpreter = self.environment.interpreter.as_ref();
        if let Some(prefix) = interpreter.and_then(|interpreter| interpreter.base_prefix.as_deref()) {
            places.add(python, prefix);
        }
    }

    /// The modes it could be tried in.
    pub(super) fn possible(&self) -> Vec<Mode> {
        self.modes.iter().copied().filter(|mode| !self.no_trials.contains_key(mode)).collect()
    }

    /// What each extension module's file declares, by the module's name.
    pub(super) fn facts(&self) -> BTreeMap<&str, &Facts> {
        let modules = self.environment.modules.iter();
        let modules = modules.filter(|module| module.kind == FileKind::ExtensionModule);
        modules.map(|module| (module.name.as_str(), &module.facts)).collect()
    }

    /// What a judgement of these trials in this environment may look at.
    pub(super) fn case<'c>(
        &'c self,
        trials: &'c Trials,
        facts: &'c BTreeMap<&'c str, &'c Facts>,
    ) -> Case<'c> {
        let is_free_threaded =
            self.environment.interpreter.as_ref().is_some_and(|python| python.free_threaded);
        Case { trials, facts, no_trials: &self.no_trials, is_free_threaded, beside: None }
    }

    /// What was found, judged.
    pub(super) fn report(&self, beside: Option<&Beside>) -> Report {
        assemble(Evidence {
            environment: &self.environment,
            decided_by: self.decided_by,
            modes: self.modes,
            beside,
            trials: &self.trials,
            unchecked: &self.once_more.unchecked,
            alone: &self.once_more.alone,
            no_trials: self.no_trials.clone(),
            notes: self.notes.clone(),
            trouble: self.trouble.clone(),
        })
    }
}

impl Running<'_> {
    /// Whether trials are given folders to write to, which all interpreters of a trial share.
    pub(super) fn has_writable(&self) -> bool {
        self.given.has_writable()
    }

    /// Reads an environment and tries what is in it.
    pub(super) fn audit(&self, located: &Located, only: Option<&Only>, question: Question) -> Audited {
        let mut trouble = Vec::new();
        let interpreter = self.interpreter(located, &mut trouble);
        let memory = if only.is_none() { remembered::memory(self, interpreter.as_ref()) } else { None };
        let (environment, installed) = disk::read(located, interpreter, only, memory.as_ref());
        trouble.extend(environment.trouble.iter().cloned());
        let modes = match (question, environment.interpreter.as_ref()) {
            (Question::FreeThreading, _) => &Mode::WITHOUT_GIL,
            (Question::AllModes, Some(interpreter)) => interpreter.modes(),
            (Question::AllModes, None) => &Mode::WITH_GIL,
        };
        let (no_trials, mut notes) = limits_of(environment.interpreter.as_ref());
        let cache = memory.and_then(|memory| remembered::open(self, memory, &environment, &installed));
        let (trials, once_more) = match &environment.interpreter {
            Some(interpreter) if interpreter.no_trials.is_none() => {
                if question == Question::AllModes {
                    notes.extend(unprotected(self.plan.limits.sandbox, self.scratch.path()));
                }
                let possible = modes.iter().copied().filter(|mode| !no_trials.contains_key(mode));
                let trying = Trying { cache: cache.as_ref(), ..self.trying(&interpreter.executable) };
                self.try_all(&trying, &environment, interpreter, &possible.collect::<Vec<_>>())
            }
            Some(_) | None => (Trials::default(), OnceMore::default()),
        };
        if trials.without_shared_memory() && question == Question::AllModes {
            notes.push(NO_SHARED_MEMORY.to_owned());
        }
        if let Some(cache) = &cache {
            cache.close();
        }
        let decided_by = if only.is_some() { DecidedBy::Modules } else { DecidedBy::Distributions };
        Audited {
            environment,
            installed,
            decided_by,
            modes,
            trials,
            once_more,
            no_trials,
            notes,
            trouble,
            cache,
        }
    }

    /// Asks the environment's python, and the import hooks that it starts with. Without an answer the static part is all
    /// that there is.
    fn interpreter(&self, located: &Located, trouble: &mut Vec<String>) -> Option<Interpreter> {
        let scratch = self.scratch.path();
        let asked = match &located.python {
            Ok(python) => venv::ask(python, scratch).map_err(|error| error.to_string()),
            Err(missing) => Err(missing.clone()),
        };
        let interpreter =
            asked.map_err(|why| trouble.push(format!("nothing was tried, only read: {why}"))).ok()?;
        Some(if interpreter.has_hooks { self.with_hooks(interpreter, trouble) } else { interpreter })
    }

    /// The same, with what import hooks serve.
    fn with_hooks(&self, interpreter: Interpreter, trouble: &mut Vec<String>) -> Interpreter {
        let scratch = self.scratch.path();
        let ask = || venv::ask_hooks(&interpreter.executable, scratch);
        let hooked = match self.plan.limits.sandbox {
            true => trial::confined(scratch, ask),
            false => Some(ask()),
        };
        let mut hooked = match hooked {
            Some(Ok(hooked)) => hooked,
            answer @ (Some(Err(_)) | None) => {
                let why = answer.and_then(Result::err).map_or_else(String::new, |why| format!(": {why}"));
                trouble.push(format!("what import hooks serve is not known{why}"));
                return interpreter;
            }
        };
        trouble.extend(hooked.trouble.into_iter().map(|what| format!("{what}; {HOOKS}")));
        hooked.files.extend(interpreter.files);
        Interpreter { editable: hooked.packages, files: hooked.files, ..interpreter }
    }

    fn trying<'b>(&'b self, python: &'b Path) -> Trying<'b> {
        Trying {
            python,
            library: self.library,
            scratch: self.scratch.path(),
            limits: self.plan.limits,
            given: &self.given,
            jobs: self.plan.jobs,
            options: &[],
            path: &NO_MORE,
            stop: self.stop,
            cache: None,
        }
    }

    /// Tries these by themselves, in an environment with more on its `sys.path`.
    pub(super) fn try_subjects(
        &self,
        interpreter: &Interpreter,
        path: &SearchPath,
        subjects: &[Subject],
        modes: &[Mode],
    ) -> Trials {
        let trying = Trying { path, ..self.trying(&interpreter.executable) };
        self.try_with(&trying, subjects, modes, Again::Never).0
    }

    fn try_with(
        &self,
        trying: &Trying<'_>,
        subjects: &[Subject],
        modes: &[Mode],
        again: Again,
    ) -> (Trials, OnceMore) {
        let (mut trials, once_more) = trial::run(trying, subjects, modes, again, self.listener);
        if modes.contains(&Mode::FreeThreaded) {
            let without_gil = trial::run_free_threaded(trying, subjects, &trials, self.listener);
            trials.extend(without_gil);
        }
        (trials, once_more)
    }

    /// Tries an application's own extension modules in its environment, with what is added to `sys.path` for it.
    pub(super) fn audit_own(&self, first: &Audited, environment: Environment, path: &SearchPath) -> Audited {
        let mut trials = first.trials.clone();
        let mut once_more = OnceMore::default();
        if let Some(interpreter) =
            environment.interpreter.as_ref().filter(|python| python.no_trials.is_none())
        {
            let trying = Trying { path, ..self.trying(&interpreter.executable) };
            let tried;
            (tried, once_more) = self.try_all(&trying, &environment, interpreter, &first.possible());
            trials.extend(tried);
        }
        Audited {
            environment,
            installed: Installed::default(),
            decided_by: first.decided_by,
            modes: first.modes,
            trials,
            once_more,
            no_trials: first.no_trials.clone(),
            notes: Vec::new(),
            trouble: Vec::new(),
            cache: None,
        }
    }

    fn try_all(
        &self,
        trying: &Trying<'_>,
        environment: &Environment,
        interpreter: &Interpreter,
        modes: &[Mode],
    ) -> (Trials, OnceMore) {
        // A free-threaded build does not let the check be overridden (measured on 3.14 and 3.15).
        let again = if interpreter.free_threaded { Again::Alone } else { Again::Unchecked };
        self.try_with(trying, &subjects(environment), modes, again)
    }
}

/// What a hook that fails, or keeps its names to itself, leaves open, and the way out.
const HOOKS: &str = "what only it finds was not tried (it may write nowhere here: a package that is rebuilt at import \
                     has to be built before)";
/// An environment as it is.
static NO_MORE: SearchPath = SearchPath::NONE;

/// Mount namespaces are what it takes: containers and some distributions forbid them.
const NO_SHARED_MEMORY: &str = "this system lets no process have a /dev/shm of its own, so trials had no shared \
     memory and no semaphores: a package may do without them here, and differently elsewhere";

/// The sentence that says what trials may do here though they should not.
fn unprotected(sandbox: bool, folder: &Path) -> Option<String> {
    if !sandbox {
        return Some("trials ran without a sandbox (--no-sandbox)".to_owned());
    }
    let may = trial::unenforced(folder);
    let may = may.first().map(|_| may.join(", "))?;
    Some(format!("this system's kernel cannot enforce the whole sandbox: trials may {may}"))
}

/// Every extension module and every distribution's top-level names, each name once.
fn subjects(environment: &Environment) -> Vec<Subject> {
    let modules = environment.modules.iter().filter(|module| module.is_tried());
    let mut subjects: BTreeMap<String, Subject> = modules
        .map(|module| {
            let subject = Subject {
                name: module.name.clone(),
                file: (!matches!(module.kind, FileKind::Archived { .. })).then(|| module.path.clone()),
                could_declare: module.facts.could_declare(),
                is_refused: refused_by_declaration(&module.facts),
                is_exercise: false,
            };
            (module.name.clone(), subject)
        })
        .collect();
    let names: BTreeSet<&String> =
        environment.distributions.iter().flat_map(|each| &each.top_level).collect();
    for name in names {
        subjects.entry(name.clone()).or_insert_with(|| Subject::name(name.clone()));
    }
    subjects.into_values().collect()
}

/// Which modes this Python cannot be tried in, with the judgement of everything in them, and the sentences that say so.
fn limits_of(interpreter: Option<&Interpreter>) -> (BTreeMap<Mode, Judgement>, Vec<String>) {
    let in_all = |id, why: &str| {
        Mode::ALL.into_iter().map(|mode| (mode, Judgement::open(id, why))).collect::<BTreeMap<_, _>>()
    };
    let Some(interpreter) = interpreter else {
        return (in_all(ReasonId::NoTrials, "nothing was tried: no Python"), Vec::new());
    };
    if let Some(why) = &interpreter.no_trials {
        let is_cpython = interpreter.implementation == "cpython";
        let id = if is_cpython { ReasonId::NoTrials } else { ReasonId::NotCPython };
        return (in_all(id, why), vec![format!("nothing was tried, only read: {why}")]);
    }
    if interpreter.has_own_gil() {
        return (BTreeMap::new(), Vec::new());
    }
    let (major, minor) = Interpreter::FIRST_WITH_OWN_GIL;
    let release = &interpreter.release;
    let what = format!("own GIL needs Python {major}.{minor}, and this is {release}");
    let note = format!("{what}: what modules declare was read, and the control was run");
    let module = "python".to_owned();
    let cause = Cause { rule: "python-too-old", chain: vec![module.clone()], module, what: what.clone() };
    let too_old = Judgement::found(Verdict::Blocked, Some(cause), what);
    let why = format!(
        "was not tried: wsgiaudit tries sub-interpreters from Python {major}.{minor} on, and this is {release}"
    );
    let not_tried = Judgement::open(ReasonId::NoTrials, why);
    (BTreeMap::from([(Mode::SharedGil, not_tried), (Mode::OwnGil, too_old)]), vec![note])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter(version: (u8, u8, u8), no_trials: Option<&str>) -> Interpreter {
        Interpreter {
            executable: "python".into(),
            implementation: "cpython".to_owned(),
            version,
            release: format!("{}.{}.{}", version.0, version.1, version.2),
            free_threaded: false,
            abi: String::new(),
            suffixes: Vec::new(),
            platform: String::new(),
            base_prefix: None,
            site: Vec::new(),
            editable: Vec::new(),
            files: Vec::new(),
            archives: Vec::new(),
            user_site: None,
            has_hooks: false,
            no_trials: no_trials.map(str::to_owned),
        }
    }

    #[test]
    fn before_3_12_only_the_control_is_run() {
        let (no_trials, notes) = limits_of(Some(&interpreter((3, 11, 7), None)));
        assert_eq!(no_trials.keys().copied().collect::<Vec<_>>(), [Mode::SharedGil, Mode::OwnGil]);
        assert!(notes[0].starts_with("own GIL needs Python 3.12, and this is 3.11.7"), "{notes:?}");
        let (own, shared) = (&no_trials[&Mode::OwnGil], &no_trials[&Mode::SharedGil]);
        assert_eq!(own.verdict, Verdict::Blocked);
        assert_eq!(shared.verdict, Verdict::Unknown);
        assert!(own.reason.contains("own GIL needs") && !shared.reason.contains("own GIL"), "{shared:?}");
    }

    #[test]
    fn from_3_12_on_everything_is_run() {
        assert_eq!(limits_of(Some(&interpreter((3, 12, 0), None))), (BTreeMap::new(), Vec::new()));
    }

    #[test]
    fn without_a_python_that_can_do_it_nothing_is_run() {
        assert_eq!(limits_of(None).0.len(), Mode::ALL.len());
        assert_eq!(limits_of(Some(&interpreter((3, 14, 0), Some("no ctypes")))).0.len(), Mode::ALL.len());
    }
}
