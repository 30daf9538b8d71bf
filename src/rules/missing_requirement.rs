//! Recognizes the missing requirement that an exception reports: a library, module, file, service or
//! variable.
//!
//! The only evidence is the type and the text of the exception.

use crate::model::{PythonError, ReasonId};

/// A requirement that the control did not find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MissingRequirement {
    /// A shared library, by the name that the dynamic linker or the module uses.
    Library(String),
    /// A newer version of a shared library.
    NewerLibrary(String),
    /// A Python module.
    Module(String),
    /// A file; `None` if the exception does not name it.
    File(Option<String>),
    /// A network service.
    Service,
    /// An environment variable; `None` if the exception does not name it.
    Variable(Option<String>),
}

impl MissingRequirement {
    /// Returns the requirement that an exception reports as missing. `None` if it reports none.
    pub(super) fn from_error(error: &PythonError) -> Option<Self> {
        let text = error.text.as_str();
        find_missing_library(error)
            .or_else(|| find_missing_module(text))
            .or_else(|| find_missing_file(error))
            .or_else(|| is_service_error(error).then_some(Self::Service))
            .or_else(|| find_missing_variable(error))
    }

    /// The reason's id for this requirement.
    pub(super) fn reason_id(&self) -> ReasonId {
        match self {
            Self::Library(_) | Self::NewerLibrary(_) => ReasonId::MissingLibrary,
            Self::Module(_) => ReasonId::MissingModule,
            Self::File(_) => ReasonId::MissingFile,
            Self::Service => ReasonId::MissingService,
            Self::Variable(_) => ReasonId::MissingVariable,
        }
    }

    /// Returns advice on how to provide it.
    pub(super) fn describe_remedy(&self) -> String {
        match self {
            Self::Library(name) => format!("install the library {name}"),
            Self::NewerLibrary(name) => format!("install a newer version of the library {name}"),
            Self::Module(name) => format!("install what provides the module {name}"),
            Self::File(Some(name)) => match strip_trial_home(name) {
                Some(name) => format!("provide a copy: --file PATH={name}"),
                None if name.starts_with('/') => format!("provide {name}"),
                None => format!("provide a copy: --file PATH={name}"),
            },
            Self::File(None) => "provide a copy: --file PATH".to_owned(),
            Self::Service => {
                "run the service that it needs, and use --no-sandbox: trials have no network".to_owned()
            }
            Self::Variable(Some(name)) => format!("pass it to the trials: --env {name}=VALUE"),
            Self::Variable(None) => "pass it to the trials: --env NAME=VALUE".to_owned(),
        }
    }
}

/// Recognizes a missing or outdated shared library.
fn find_missing_library(error: &PythonError) -> Option<MissingRequirement> {
    let text = error.text.as_str();
    // Error messages of glibc's dynamic linker, then of musl's.
    if let Some((name, _)) = text.split_once(": cannot open shared object file: No such file or directory") {
        return Some(MissingRequirement::Library(last_word(name)?));
    }
    if let Some((_, rest)) = text.split_once("Error loading shared library ") {
        return Some(MissingRequirement::Library(rest.split(':').next()?.to_owned()));
    }
    // `/lib/libc.so.6: version `GLIBC_2.99' not found (required by ...)`.
    if let Some((name, rest)) = text.split_once(": version `")
        && rest.contains("' not found")
    {
        return Some(MissingRequirement::NewerLibrary(last_word(name)?));
    }
    let phrases = ["find", "found", "load", "locate", "install", "missing"];
    let is_library_error = ["ImportError", "OSError", "RuntimeError"].contains(&error.kind.as_str());
    let is_named = |word: &&str| {
        word.strip_prefix("lib").is_some_and(|rest| rest.len() > 1 && !rest.starts_with("rar"))
            && *word != "libs"
    };
    let name = split_words(text).map(|word| word.trim_end_matches('.')).find(is_named)?;
    (is_library_error && contains_any(text, &phrases)).then(|| MissingRequirement::Library(name.to_owned()))
}

/// Recognizes a missing Python module.
fn find_missing_module(text: &str) -> Option<MissingRequirement> {
    let name = text.strip_prefix("No module named ")?;
    Some(MissingRequirement::Module(name.split(['\'', ';']).find(|part| !part.trim().is_empty())?.to_owned()))
}

/// Recognizes a missing file, by the type of the exception or its text.
fn find_missing_file(error: &PythonError) -> Option<MissingRequirement> {
    let text = error.text.as_str();
    let is_missing = ["FileNotFoundError", "NotADirectoryError"].contains(&error.kind.as_str())
        || text.contains("No such file or directory");
    let quoted = || {
        let (_, rest) = text.split_once(['\'', '"'])?;
        rest.split(['\'', '"']).next().filter(|name| !name.is_empty()).map(str::to_owned)
    };
    is_missing.then(|| MissingRequirement::File(quoted()))
}

/// Returns the path of a file below a trial's home folder. `None` for other paths.
fn strip_trial_home(path: &str) -> Option<&str> {
    let (_, inside) = path.split_once("/trial-")?;
    inside.split_once("/home/").map(|(_, name)| name).filter(|name| !name.is_empty())
}

/// Whether the exception reports that a network service does not respond.
fn is_service_error(error: &PythonError) -> bool {
    let kinds =
        ["ConnectionRefusedError", "ConnectionError", "ConnectionResetError", "TimeoutError", "gaierror"];
    let phrases = [
        "connection refused",
        "could not connect",
        "can't connect",
        "cannot connect",
        "failed to connect",
        "name or service not known",
        "name resolution",
        "network is unreachable",
    ];
    kinds.contains(&error.kind.as_str()) || contains_any(&error.text, &phrases)
}

/// Recognizes a missing environment variable: a `KeyError` with a name in capitals, or a text about a
/// variable.
fn find_missing_variable(error: &PythonError) -> Option<MissingRequirement> {
    let text = error.text.as_str();
    if error.kind == "KeyError" {
        let name = text.trim_matches(['\'', '"']);
        return is_variable_name(name).then(|| MissingRequirement::Variable(Some(name.to_owned())));
    }
    if text.contains("undefined symbol") {
        return None;
    }
    let named = || split_words(text).find(|word| is_variable_name(word) && word.contains('_'));
    let short = || split_words(text).find(|word| is_variable_name(word));
    let is_environment = contains_any(text, &["environment variable", "env var", "environ"]);
    let is_unset = contains_any(text, &["not set", "be set", "unset", "please set"]);
    let is_wanted =
        contains_any(text, &["requir", "missing", "undefined", "defin", "configur", "export", "need"]);
    if is_environment || is_unset {
        let name = named().or_else(short).map(str::to_owned);
        return (is_environment || name.is_some()).then_some(MissingRequirement::Variable(name));
    }
    named().filter(|_| is_wanted).map(|name| MissingRequirement::Variable(Some(name.to_owned())))
}

/// Whether the word is spelled like an environment variable.
fn is_variable_name(word: &str) -> bool {
    word.len() > 2
        && word.starts_with(|letter: char| letter.is_ascii_uppercase())
        && word.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
}

/// Splits a text into words, without punctuation at their ends.
fn split_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !(letter.is_alphanumeric() || "_.-+".contains(letter)))
        .map(|word| word.trim_end_matches(['.', '-']))
        .filter(|word| !word.is_empty())
}

fn last_word(text: &str) -> Option<String> {
    text.split_whitespace().next_back().map(str::to_owned)
}

/// Whether the text contains one of the phrases, which are in lower case.
fn contains_any(text: &str, phrases: &[&str]) -> bool {
    let text = text.to_lowercase();
    phrases.iter().any(|phrase| text.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(kind: &str, text: &str) -> Option<MissingRequirement> {
        MissingRequirement::from_error(&PythonError {
            kind: kind.to_owned(),
            text: text.to_owned(),
            chain: Vec::new(),
        })
    }

    #[test]
    fn a_library_is_named() {
        let of_linker = "libodbc.so.2: cannot open shared object file: No such file or directory";
        let library = |name: &str| Some(MissingRequirement::Library(name.to_owned()));
        assert_eq!(missing("ImportError", of_linker), library("libodbc.so.2"));
        assert_eq!(missing("OSError", of_linker), library("libodbc.so.2"));
        let of_musl =
            "Error loading shared library libpq.so.5: No such file or directory (needed by /x/_p.so)";
        assert_eq!(missing("ImportError", of_musl), library("libpq.so.5"));
        let of_a_package = "failed to find libmagic.  Check your installation";
        assert_eq!(missing("ImportError", of_a_package), library("libmagic"));
        let too_old = "/lib/libc.so.6: version `GLIBC_2.99' not found (required by /x/_p.so)";
        assert_eq!(
            missing("ImportError", too_old),
            Some(MissingRequirement::NewerLibrary("/lib/libc.so.6".to_owned()))
        );
    }

    #[test]
    fn a_variable_is_named() {
        let variable = |name: &str| Some(MissingRequirement::Variable(Some(name.to_owned())));
        assert_eq!(missing("RuntimeError", "SHOP_HOME is not set"), variable("SHOP_HOME"));
        assert_eq!(missing("KeyError", "'SHOP_HOME'"), variable("SHOP_HOME"));
        let django = "Requested setting DEBUG, but settings are not configured. You must either define the \
                      environment variable DJANGO_SETTINGS_MODULE or call settings.configure()";
        assert_eq!(missing("ImproperlyConfigured", django), variable("DJANGO_SETTINGS_MODULE"));
        let unnamed = "an environment variable is missing";
        assert_eq!(missing("RuntimeError", unnamed), Some(MissingRequirement::Variable(None)));
        assert_eq!(missing("KeyError", "'shop'"), None);
    }

    #[test]
    fn a_file_a_module_and_a_service_are_told_apart() {
        let file = missing("FileNotFoundError", "[Errno 2] No such file or directory: 'shop.ini'");
        assert_eq!(file, Some(MissingRequirement::File(Some("shop.ini".to_owned()))));
        assert_eq!(file.unwrap().describe_remedy(), "provide a copy: --file PATH=shop.ini");
        let home =
            MissingRequirement::File(Some("/tmp/wsgiaudit-x/worker-1/trial-7/home/.shop/key".to_owned()));
        assert_eq!(home.describe_remedy(), "provide a copy: --file PATH=.shop/key");
        let module = missing("ModuleNotFoundError", "No module named 'shop.till'");
        assert_eq!(module, Some(MissingRequirement::Module("shop.till".to_owned())));
        let refused = missing("OperationalError", "could not connect to server: Connection refused");
        assert_eq!(refused, Some(MissingRequirement::Service));
    }

    #[test]
    fn other_exceptions_say_nothing() {
        for (kind, text) in [
            ("AssertionError", ""),
            ("ImportError", "/x/_p.so: undefined symbol: FT_HAS_COLOR"),
            ("ImportError", "cannot import name 'open' from 'shop'"),
            ("TypeError", "the library takes 2 arguments"),
            ("ImportError", "/x/_p.so: file too short"),
        ] {
            assert_eq!(missing(kind, text), None, "{kind}: {text}");
        }
    }

    #[test]
    fn each_requirement_has_its_reason_and_remedy() {
        let named = |name: &str| Some(name.to_owned());
        for (requirement, reason, remedy) in [
            (
                MissingRequirement::NewerLibrary("libc.so.6".to_owned()),
                ReasonId::MissingLibrary,
                "install a newer version of the library libc.so.6",
            ),
            (
                MissingRequirement::File(named("/etc/shop.ini")),
                ReasonId::MissingFile,
                "provide /etc/shop.ini",
            ),
            (MissingRequirement::File(None), ReasonId::MissingFile, "provide a copy: --file PATH"),
            (
                MissingRequirement::File(named("/tmp/trial-7/home/")),
                ReasonId::MissingFile,
                "provide /tmp/trial-7/home/",
            ),
            (
                MissingRequirement::Variable(None),
                ReasonId::MissingVariable,
                "pass it to the trials: --env NAME=VALUE",
            ),
        ] {
            assert_eq!((requirement.reason_id(), requirement.describe_remedy().as_str()), (reason, remedy));
        }
    }

    #[test]
    fn phrases_of_services_and_variables_are_recognized() {
        let service = Some(MissingRequirement::Service);
        assert_eq!(missing("gaierror", "x"), service);
        assert_eq!(missing("Other", "Name or service not known"), service);
        let variable = |name: &str| Some(MissingRequirement::Variable(Some(name.to_owned())));
        for (text, expected) in [
            ("please set TOKEN", variable("TOKEN")),
            ("TOKEN is required", None),
            ("API_TOKEN is required", variable("API_TOKEN")),
            ("API_TOKEN is wrong", None),
            ("the value is not set", None),
            ("undefined symbol: API_TOKEN", None),
            ("AB is not set", None),
            ("1AB is not set", None),
            ("A2_ is not set", variable("A2_")),
        ] {
            assert_eq!(missing("RuntimeError", text), expected, "{text}");
        }
        assert_eq!(missing("NotADirectoryError", ""), Some(MissingRequirement::File(None)));
        for text in ["lib is missing", "libs are missing", "library not found", "librarian not found"] {
            assert_eq!(missing("ImportError", text), None, "{text}");
        }
        let wrong_kind = missing("ValueError", "libmagic not found");
        assert_eq!(wrong_kind, None);
    }
}
