//! The options of `wsgiaudit serve`, from the command line, the environment and `serve.toml`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, FromArgMatches};

use super::option_kind::{NEEDED, OptionKind, option_key, serve_command};
use super::option_settings::{OptionSetting, describe_unknown_variables, read_settings_file, read_variables};
use crate::cli::ServeArgs;

/// Options that belong to a group if the settings file has groups.
const OF_A_GROUP: [&str; 4] = ["mode", "copies", "interpreters", "threads"];

/// Where the options are read from. The command line takes precedence over the environment, and this over the file.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The command line, after `serve`.
    command_line: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    /// The settings file, as an absolute path.
    file: Option<PathBuf>,
}

impl ServeOptions {
    /// Takes the command line after `serve`, and the environment. The settings file is looked for in the folder that
    /// `--chdir` names there, else in `folder`.
    ///
    /// # Errors
    /// If the command line or a variable cannot be parsed.
    pub fn new(
        command_line: Vec<OsString>,
        variables: Vec<(OsString, OsString)>,
        folder: &Path,
    ) -> Result<Self> {
        let mut sources = Self { command_line, variables, file: None };
        let (args, _) = sources.merge(Vec::new())?;
        let folder = folder.join(args.chdir.unwrap_or_default());
        sources.file = args.config.map(|file| folder.join(file));
        Ok(sources)
    }

    /// Takes the command line and the environment of this process.
    ///
    /// # Errors
    /// If they cannot be parsed, or there is no working folder.
    pub fn from_process() -> Result<Self> {
        let command_line = std::env::args_os().skip(1).skip_while(|arg| arg != "serve").skip(1).collect();
        Self::new(command_line, std::env::vars_os().collect(), &std::env::current_dir()?)
    }

    /// The settings file, if there is one.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Returns messages about variables that look like those of options.
    pub fn describe_unknown_variables(&self) -> Vec<String> {
        describe_unknown_variables(&serve_command(), &self.variables)
    }

    /// Reads the options: each time, the settings file as it is then.
    ///
    /// # Errors
    /// If the settings file cannot be read, or the options contradict each other.
    pub fn read(&self) -> Result<ServeArgs> {
        let command = serve_command();
        let (settings, has_groups) = match &self.file {
            Some(file) => read_settings_file(&command, file)?,
            None => (Vec::new(), false),
        };
        let (mut args, matches) = self.merge(settings)?;
        args.config = self.file.clone().filter(|_| has_groups);
        for option in command.get_arguments().filter(|option| is_given(&matches, option)) {
            let key = option_key(option);
            if has_groups && OF_A_GROUP.contains(&key.as_str()) {
                let file = self.file.as_deref().unwrap_or(Path::new("")).display();
                bail!("{option} has no effect: {file} has groups\nhint: write it into each [[group]]");
            }
            let Some((_, needed)) = NEEDED.iter().find(|(name, _)| *name == key) else { continue };
            let is_needed = |other: &&Arg| needed.contains(&option_key(other).as_str());
            let needed: Vec<&Arg> = command.get_arguments().filter(is_needed).collect();
            if !needed.iter().any(|other| is_given(&matches, other)) {
                let names: Vec<String> = needed.iter().map(ToString::to_string).collect();
                bail!("{option} has no effect without {}", names.join(" or "));
            }
        }
        if args.application.is_empty() {
            bail!(
                "no application is named\nhint: wsgiaudit serve MODULE:CALLABLE, or application = \"MODULE:CALLABLE\" \
                 in the file that --config names"
            );
        }
        Ok(args)
    }

    /// Adds the variables and the file's settings to the command line.
    fn merge(&self, from_file: Vec<OptionSetting>) -> Result<(ServeArgs, ArgMatches)> {
        let command = serve_command();
        let given = parse_line(&command, Vec::new(), &self.command_line)?;
        let mut taken: Vec<&Arg> =
            command.get_arguments().filter(|option| is_given(&given, option)).collect();
        let (mut added, mut used) = (Vec::new(), Vec::new());
        for layer in [read_variables(&command, &self.variables)?, from_file] {
            let mut chosen = Vec::new();
            for setting in layer {
                let found = command.get_arguments().find(|option| option_key(option) == setting.key);
                let Some(option) = found.filter(|option| !is_overridden(&command, option, &taken)) else {
                    continue;
                };
                added.extend(setting.values.iter().map(|value| to_argument(option, value)));
                chosen.push(option);
                used.push(setting);
            }
            taken.extend(chosen);
        }
        let matches = parse_line(&command, added, &self.command_line)
            .map_err(|error| describe_error(&command, &error, &used))?;
        let args = ServeArgs::from_arg_matches(&matches)?;
        Ok((args, matches))
    }
}

/// Whether an option, or one that excludes it, is set where it takes precedence.
fn is_overridden(command: &Command, option: &Arg, taken: &[&Arg]) -> bool {
    let excludes = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|excluded| excluded.get_id() == other.get_id())
    };
    taken
        .iter()
        .any(|other| other.get_id() == option.get_id() || excludes(other, option) || excludes(option, other))
}

/// Parses a command line, with more arguments in front of it.
fn parse_line(
    command: &Command,
    added: Vec<OsString>,
    command_line: &[OsString],
) -> Result<ArgMatches, clap::Error> {
    let program = OsString::from("wsgiaudit serve");
    let line = [program].into_iter().chain(added).chain(command_line.iter().cloned());
    command.clone().try_get_matches_from(line)
}

/// Returns the argument that sets an option to a value.
fn to_argument(option: &Arg, value: &OsString) -> OsString {
    let Some(long) = option.get_long() else { return value.clone() };
    let mut argument = OsString::from(format!("--{long}"));
    if OptionKind::from_arg(option) != OptionKind::Flag {
        argument.push("=");
        argument.push(value);
    }
    argument
}

/// Whether an option is set anywhere, rather than has its default.
fn is_given(matches: &ArgMatches, option: &Arg) -> bool {
    let source = matches.value_source(option.get_id().as_str());
    source.is_some_and(|source| source != ValueSource::DefaultValue)
}

/// Converts an error of the parser to one that says where the options are set. Options of the command line were valid
/// before the settings were added.
fn describe_error(command: &Command, error: &clap::Error, used: &[OptionSetting]) -> anyhow::Error {
    let text = error.to_string();
    let mut parts = text.split("\n\n").map(str::trim);
    let what = parts.next().unwrap_or_default().trim_start_matches("error: ");
    let what = what.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let is_named = |setting: &&OptionSetting| {
        let option = command.get_arguments().find(|option| option_key(option) == setting.key);
        option.is_some_and(|option| what.contains(&format!("'{option}'")))
    };
    let origins: Vec<&str> = used.iter().filter(is_named).map(|setting| setting.origin.as_str()).collect();
    let hint = parts.find_map(|part| part.strip_prefix("tip: ")).map(|tip| format!("\nhint: {tip}"));
    let hint = hint.unwrap_or_default();
    match origins.is_empty() {
        true => anyhow!("{what}{hint}"),
        false => anyhow!("{}: {what}{hint}", origins.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Reads options from a command line, variables and a file.
    fn read(line: &[&str], variables: &[(&str, &str)], file: &str) -> Result<ServeArgs, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("serve.toml"), file).unwrap();
        let line = ["--config", "serve.toml"].iter().chain(line).map(OsString::from).collect();
        let variables = variables
            .iter()
            .map(|(name, value)| (OsString::from(format!("WSGIAUDIT_SERVE_{name}")), OsString::from(value)));
        let options = ServeOptions::new(line, variables.collect(), folder.path());
        let read = options.and_then(|options| options.read());
        read.map_err(|error| format!("{error:#}").replace(&*folder.path().to_string_lossy(), ""))
    }

    #[test]
    fn the_command_line_precedes_the_environment_and_this_the_file() {
        let file = "application = \"a\"\nthreads = 2\nqueue = 2\nhttp-threads = 2\nbind = [\"unix:file\"]\n";
        let args = read(&[], &[], file).unwrap();
        assert_eq!((args.application.as_str(), args.threads.get(), args.queue), ("a", 2, 2));
        let variables = [("THREADS", "3"), ("QUEUE", "3"), ("BIND", "unix:x,unix:y")];
        let args = read(&["b", "--threads", "4"], &variables, file).unwrap();
        assert_eq!((args.application.as_str(), args.threads.get(), args.queue), ("b", 4, 3));
        assert_eq!((args.http_threads.get(), args.bind), (2, vec!["unix:x".to_owned(), "unix:y".to_owned()]));
    }

    #[test]
    fn an_option_overrides_those_that_it_excludes() {
        let args = read(&["a", "--copies"], &[], "mode = \"main\"").unwrap();
        assert!(args.copies && args.mode.is_none());
        let args = read(&["a"], &[("MODE", "own-gil")], "copies = true").unwrap();
        assert!(!args.copies && args.mode.is_some());
        let error = read(&["a"], &[], "copies = true\nmode = \"main\"").unwrap_err();
        assert!(error.starts_with("/serve.toml, line 1, /serve.toml, line 2: the argument '"), "{error}");
    }

    #[test]
    fn an_error_says_where_the_value_is_from() {
        for (line, variables, file, said) in [
            (
                &["a"][..],
                &[][..],
                "threads = 0",
                "/serve.toml, line 1: invalid value '0' for '--threads <N>'",
            ),
            (
                &["a"],
                &[("DRAIN", "no")],
                "",
                "WSGIAUDIT_SERVE_DRAIN: invalid value 'no' for '--drain <SECONDS>'",
            ),
            (
                &["a"],
                &[("MODE", "own_gil")],
                "",
                "WSGIAUDIT_SERVE_MODE: invalid value 'own_gil' for '--mode <MODE>'",
            ),
            (&["a"], &[("MODE", "own_gil")], "", "hint: a similar value exists: 'own-gil'"),
            (&["a", "--admit", "degraded"], &[], "", "--admit <ADMIT> has no effect without --report <FILE>"),
            (&["a"], &[], "proxy-header = \"forwarded\"", "has no effect without --proxy <ADDRESS>"),
            (&[], &[], "", "no application is named"),
            (&["a"], &[], "threads = 2\n[[group]]\n", "--threads <N> has no effect: /serve.toml has groups"),
        ] {
            let error = read(line, variables, file).unwrap_err();
            assert!(error.contains(said), "{line:?} {variables:?} {file:?}: {error}");
        }
        assert!(read(&["a", "--admit", "degraded"], &[("REPORT", "r")], "").is_ok());
    }

    #[test]
    fn the_file_is_in_the_folder_of_the_command_line() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("site")).unwrap();
        fs::write(folder.path().join("site/serve.toml"), "application = \"a\"").unwrap();
        let line = ["--chdir", "site", "--config", "serve.toml"].map(OsString::from).to_vec();
        let options = ServeOptions::new(line, Vec::new(), folder.path()).unwrap();
        assert_eq!(options.read().unwrap().application, "a");
    }
}
