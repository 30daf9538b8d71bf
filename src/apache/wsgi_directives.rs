//! Applies mod_wsgi's own directives to a site (6.1.1, `wsgi_config.c`, `wsgi_daemon.c`).

use std::path::PathBuf;

use super::configuration_source::ConfigurationError;
use super::enclosing_sections::EnclosingSections;
use super::lexer::{split_word, split_words};
use super::reader::Directive;
use super::request_settings::HandlerScript;
use super::site::{ApacheSite, DaemonConfiguration, InterpreterOptions, OptionsBlock, ScriptImport};
use super::url_mappings::{MappingAction, ScriptOptions, UrlMapping, UrlPattern};
use super::values::{LocatedValue, normalize_group, parse_flag, parse_options, parse_seconds};
use crate::model::ConfigLocation;

/// Applies a mod_wsgi directive.
pub(super) fn apply_wsgi_directive(
    site: &mut ApacheSite,
    directive: &Directive,
    enclosing: &EnclosingSections,
) -> Result<(), ConfigurationError> {
    let Directive { name, args, place, .. } = directive;
    let given = split_words(args);
    let first = given.first().cloned().unwrap_or_default();
    let set = |value: &str| Some(LocatedValue { value: value.to_owned(), place: place.clone() });
    let block = enclosing.block.and_then(|index| site.blocks.get_mut(index));
    let (options, python_path) = match block {
        Some(block) => (&mut block.options, &mut block.python_path),
        None => (&mut site.options, &mut site.python_path),
    };
    match name.as_str() {
        "wsgiperinterpretergil" => {
            options.own_gil = Some(parse_flag("WSGIPerInterpreterGIL", &first, place)?)
        }
        "wsgifreethreading" => options.free_threading = Some(parse_flag("WSGIFreeThreading", &first, place)?),
        "wsgiswitchinterval" => {
            options.switch_interval = Some(parse_seconds("WSGISwitchInterval", &first, place)?);
        }
        "wsgipythonpath" => *python_path = std::env::split_paths(&first).collect(),
        "wsgidestroyinterpreter" => {
            site.destroy_interpreter = Some(parse_flag("WSGIDestroyInterpreter", &first, place)?);
        }
        "wsgirestrictembedded" => {
            site.restrict_embedded = Some(parse_flag("WSGIRestrictEmbedded", &first, place)?);
        }
        "wsgicasesensitivity" => {
            site.ignores_case = !parse_flag("WSGICaseSensitivity", &first, place)?.value;
        }
        "wsgipythonhome" => {
            site.home = Some(LocatedValue { value: PathBuf::from(first), place: place.clone() });
        }
        "wsgidaemonprocess" => add_daemon(site, directive, enclosing)?,
        "wsgiscriptalias" | "wsgiscriptaliasmatch" => add_script_alias(site, directive, enclosing)?,
        "wsgiimportscript" => add_script_import(site, directive, enclosing)?,
        "wsgihandlerscript" => add_handler_script(site, directive, enclosing)?,
        "wsgiprocessgroup" => enclosing.settings_mut(site).process = set(&first),
        "wsgiapplicationgroup" => enclosing.settings_mut(site).application = set(&first),
        "wsgicallableobject" => enclosing.settings_mut(site).callable = set(&first),
        "wsgidispatchscript" => enclosing.settings_mut(site).dispatch = set(&first),
        "wsgiscriptreloading" => {
            enclosing.settings_mut(site).reloading = Some(parse_flag("WSGIScriptReloading", &first, place)?);
        }
        "wsgirestrictprocess" => {
            let value = given.iter().map(|name| normalize_group(name)).collect();
            enclosing.settings_mut(site).allowed = Some(LocatedValue { value, place: place.clone() });
        }
        _ => {}
    }
    Ok(())
}

fn add_daemon(
    site: &mut ApacheSite,
    directive: &Directive,
    enclosing: &EnclosingSections,
) -> Result<(), ConfigurationError> {
    let place = &directive.place;
    let (name, rest) = split_word(&directive.args);
    let mut daemon = DaemonConfiguration {
        options: Vec::new(),
        switch_interval: None,
        home: None,
        paths: Vec::new(),
        folder: None,
        threads: 15,
        request_timeout: 0,
        queue_timeout: 0,
        server: enclosing.server,
        place: place.clone(),
    };
    let given = parse_options(rest).map_err(|what| ConfigurationError::new(place, what))?;
    let has = |wanted: &str| given.iter().any(|(option, _)| option == wanted);
    if has("script-user") && has("script-group") {
        let what = "WSGIDaemonProcess takes one of script-user= and script-group=: Apache would not start";
        return Err(ConfigurationError::new(place, what));
    }
    daemon.options.clone_from(&given);
    for (option, value) in given {
        let number = value.parse().unwrap_or_default();
        match option.as_str() {
            "switch-interval" => {
                daemon.switch_interval = Some(parse_seconds("switch-interval", &value, place)?.value);
            }
            "python-home" => daemon.home = Some(PathBuf::from(value)),
            "home" => daemon.folder = Some(PathBuf::from(value)),
            "python-path" => daemon.paths = std::env::split_paths(&value).collect(),
            "threads" => daemon.threads = number,
            "request-timeout" => daemon.request_timeout = number,
            "queue-timeout" => daemon.queue_timeout = number,
            _ => {}
        }
    }
    if site.daemons.contains_key(&name) {
        return Err(ConfigurationError::new(place, format!("WSGIDaemonProcess {name} is defined twice")));
    }
    site.daemons.insert(name, daemon);
    Ok(())
}

fn add_script_alias(
    site: &mut ApacheSite,
    directive: &Directive,
    enclosing: &EnclosingSections,
) -> Result<(), ConfigurationError> {
    let place = &directive.place;
    let (url, rest) = split_word(&directive.args);
    let (target, rest) = split_word(rest);
    let mut set = ScriptOptions::default();
    for (option, value) in parse_options(rest).map_err(|what| ConfigurationError::new(place, what))? {
        let value = Some(LocatedValue { value, place: place.clone() });
        match option.as_str() {
            "process-group" => set.process = value,
            "application-group" => set.application = value,
            "callable-object" => set.callable = value,
            _ => {}
        }
    }
    let is_match = directive.name == "wsgiscriptaliasmatch";
    let is_fixed = !is_match || !target.contains('$');
    if let (Some(process), Some(application)) = (&set.process, &set.application) {
        let (process, application) = (normalize_group(&process.value), normalize_group(&application.value));
        if is_fixed && !process.contains("%{") && !application.contains("%{") {
            check_daemon_defined(site, &process, enclosing, place)?;
            let script = target.clone();
            site.imports.push(ScriptImport { script, process, application, place: place.clone() });
        }
    }
    let pattern = UrlPattern::from_directive(&directive.name, &url);
    if let UrlPattern::Match(expression) = &pattern
        && let Some(trouble) = expression.syntax_error()
    {
        return Err(ConfigurationError::new(
            place,
            format!("WSGIScriptAliasMatch: {trouble}: Apache would not start"),
        ));
    }
    let takes = MappingAction::Script { target, options: Box::new(set) };
    let mapping = UrlMapping { pattern, takes, place: place.clone() };
    site.servers[enclosing.server].scripts.push(mapping);
    Ok(())
}

fn add_handler_script(
    site: &mut ApacheSite,
    directive: &Directive,
    enclosing: &EnclosingSections,
) -> Result<(), ConfigurationError> {
    let place = &directive.place;
    let (name, rest) = split_word(&directive.args);
    let (script, rest) = split_word(rest);
    let mut handler = HandlerScript { script, process: None, application: None, place: place.clone() };
    for (option, value) in parse_options(rest).map_err(|what| ConfigurationError::new(place, what))? {
        let value = Some(LocatedValue { value, place: place.clone() });
        match option.as_str() {
            "process-group" => handler.process = value,
            "application-group" => handler.application = value,
            _ => {}
        }
    }
    enclosing.settings_mut(site).handlers.insert(name, handler);
    Ok(())
}

fn add_script_import(
    site: &mut ApacheSite,
    directive: &Directive,
    enclosing: &EnclosingSections,
) -> Result<(), ConfigurationError> {
    let place = &directive.place;
    let (script, rest) = split_word(&directive.args);
    let (mut process, mut application) = (None, None);
    for (option, value) in parse_options(rest).map_err(|what| ConfigurationError::new(place, what))? {
        match option.as_str() {
            "process-group" => process = Some(normalize_group(&value)),
            _ => application = Some(normalize_group(&value)),
        }
    }
    let (Some(process), Some(application)) = (process, application) else {
        return Err(ConfigurationError::new(
            place,
            "WSGIImportScript needs process-group= and application-group=",
        ));
    };
    check_daemon_defined(site, &process, enclosing, place)?;
    site.imports.push(ScriptImport { script, process, application, place: place.clone() });
    Ok(())
}

/// Checks that a process group may be used for an import: it must be defined above, in this server, in
/// the main server or in one of the same name.
fn check_daemon_defined(
    site: &ApacheSite,
    process: &str,
    enclosing: &EnclosingSections,
    place: &ConfigLocation,
) -> Result<(), ConfigurationError> {
    if process.is_empty() {
        return Ok(());
    }
    let Some(daemon) = site.daemons.get(process) else {
        let what = format!("there is no WSGIDaemonProcess {process} above this line");
        return Err(ConfigurationError::new(place, what));
    };
    let name = |server: usize| site.servers[server].name.as_deref();
    if daemon.server != 0 && name(daemon.server) != name(enclosing.server) {
        let what = format!(
            "WSGIDaemonProcess {process} ({}) belongs to another virtual host: Apache would not start \
             (move it to the top level)",
            daemon.place
        );
        return Err(ConfigurationError::new(place, what));
    }
    Ok(())
}

/// Parses the selectors of `<WSGIInterpreterOptions>`.
pub(super) fn parse_options_block(section: &Directive) -> Result<OptionsBlock, ConfigurationError> {
    let wrong = |what: String| ConfigurationError::new(&section.place, what);
    let (mut process, mut application) = (None, None);
    for word in split_words(&section.args) {
        let Some((key, value)) = word.split_once('=') else {
            return Err(wrong(format!("<WSGIInterpreterOptions>: {word:?} is not key=value")));
        };
        let selector = match key.to_ascii_lowercase().as_str() {
            "process-group" => &mut process,
            "application-group" => &mut application,
            _ => return Err(wrong(format!("<WSGIInterpreterOptions>: {key:?} is no selector"))),
        };
        if selector.replace(normalize_group(value)).is_some() {
            return Err(wrong(format!("<WSGIInterpreterOptions>: {key} more than once")));
        }
    }
    let (options, python_path) = (InterpreterOptions::default(), Vec::new());
    Ok(OptionsBlock { process, application, options, python_path, place: section.place.clone() })
}
