//! Queries the environment's Python, and its import hooks.

use std::path::Path;

use super::context::AuditContext;
use crate::model::Interpreter;
use crate::platform;
use crate::venv::{self, LocatedEnvironment};

/// Queries the environment's Python, and its import hooks. If it cannot be run, files are only read.
pub(super) fn query_interpreter(
    context: &AuditContext<'_>,
    located: &LocatedEnvironment,
    trouble: &mut Vec<String>,
) -> Option<Interpreter> {
    query_with_hooks(located, context.scratch.path(), context.plan.limits.sandbox, trouble)
}

/// As [`query_interpreter`], with a folder to write to. Import hooks run in a sandbox if `sandbox` is set.
pub(super) fn query_with_hooks(
    located: &LocatedEnvironment,
    scratch: &Path,
    sandbox: bool,
    trouble: &mut Vec<String>,
) -> Option<Interpreter> {
    let answer = match &located.python {
        Ok(python) => venv::query_interpreter(python, scratch).map_err(|error| error.to_string()),
        Err(missing) => Err(missing.clone()),
    };
    let interpreter =
        answer.map_err(|why| trouble.push(format!("nothing was tried, only read: {why}"))).ok()?;
    Some(match interpreter.has_hooks {
        true => add_import_hooks(interpreter, scratch, sandbox, trouble),
        false => interpreter,
    })
}

/// Adds the modules that import hooks serve.
fn add_import_hooks(
    interpreter: Interpreter,
    scratch: &Path,
    sandbox: bool,
    trouble: &mut Vec<String>,
) -> Interpreter {
    let ask = || venv::query_import_hooks(&interpreter.executable, scratch);
    let hooked = match sandbox {
        true => platform::run_confined(scratch, ask),
        false => Some(ask()),
    };
    let mut hooked = match hooked {
        Some(Ok(hooked)) => hooked,
        answer @ (Some(Err(_)) | None) => {
            let why = answer.and_then(Result::err).map_or_else(String::new, |why| format!(": {why}"));
            trouble.push(format!("the modules that import hooks provide are not known{why}"));
            return interpreter;
        }
    };
    trouble.extend(hooked.trouble.into_iter().map(|what| format!("{what}; {HOOKS_HINT}")));
    hooked.files.extend(interpreter.files);
    Interpreter { editable: hooked.packages, files: hooked.files, ..interpreter }
}

/// The consequence of a hook that fails, or does not list its modules, and the workaround.
const HOOKS_HINT: &str = "modules that only this hook finds were not tried (it runs without write access: \
     build a package that rebuilds at import beforehand)";
