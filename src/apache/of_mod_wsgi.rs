//! What mod_wsgi's own directives set (6.1.1, `wsgi_config.c`, `wsgi_daemon.c`).

use std::path::PathBuf;

use super::line::{word, words};
use super::mappings::{Mapping, Pattern, Takes};
use super::read::Directive;
use super::settings::{Handler, Settings};
use super::site::{Block, Daemon, Import, Options};
use super::source::Problem;
use super::values::{Set, flag, group, options, seconds};
use super::walk::{Context, Walk, pattern};
use crate::model::ConfigPlace;

impl Walk<'_> {
    /// Takes one of mod_wsgi's directives.
    pub(super) fn of_mod_wsgi(&mut self, directive: &Directive, context: &Context) -> Result<(), Problem> {
        let Directive { name, args, place, .. } = directive;
        let given = words(args);
        let first = given.first().cloned().unwrap_or_default();
        let set = |value: &str| Some(Set { value: value.to_owned(), place: place.clone() });
        let site = &mut self.site;
        let block = context.block.and_then(|index| site.blocks.get_mut(index));
        let (options, python_path) = match block {
            Some(block) => (&mut block.options, &mut block.python_path),
            None => (&mut site.options, &mut site.python_path),
        };
        match name.as_str() {
            "wsgiperinterpretergil" => options.own_gil = Some(flag("WSGIPerInterpreterGIL", &first, place)?),
            "wsgifreethreading" => options.free_threading = Some(flag("WSGIFreeThreading", &first, place)?),
            "wsgiswitchinterval" => {
                options.switch_interval = Some(seconds("WSGISwitchInterval", &first, place)?);
            }
            "wsgipythonpath" => *python_path = std::env::split_paths(&first).collect(),
            "wsgidestroyinterpreter" => {
                site.destroy_interpreter = Some(flag("WSGIDestroyInterpreter", &first, place)?);
            }
            "wsgirestrictembedded" => {
                site.restrict_embedded = Some(flag("WSGIRestrictEmbedded", &first, place)?);
            }
            "wsgicasesensitivity" => {
                site.ignores_case = !flag("WSGICaseSensitivity", &first, place)?.value;
            }
            "wsgipythonhome" => {
                site.home = Some(Set { value: PathBuf::from(first), place: place.clone() });
            }
            "wsgidaemonprocess" => self.daemon(directive, context)?,
            "wsgiscriptalias" | "wsgiscriptaliasmatch" => self.alias(directive, context)?,
            "wsgiimportscript" => self.import(directive, context)?,
            "wsgihandlerscript" => self.handler(directive, context)?,
            "wsgiprocessgroup" => self.settings(context).process = set(&first),
            "wsgiapplicationgroup" => self.settings(context).application = set(&first),
            "wsgicallableobject" => self.settings(context).callable = set(&first),
            "wsgidispatchscript" => self.settings(context).dispatch = set(&first),
            "wsgiscriptreloading" => {
                self.settings(context).reloading = Some(flag("WSGIScriptReloading", &first, place)?);
            }
            "wsgirestrictprocess" => {
                let value = given.iter().map(|name| group(name)).collect();
                self.settings(context).allowed = Some(Set { value, place: place.clone() });
            }
            _ => {}
        }
        Ok(())
    }

    fn daemon(&mut self, directive: &Directive, context: &Context) -> Result<(), Problem> {
        let place = &directive.place;
        let (name, rest) = word(&directive.args);
        let mut daemon = Daemon {
            options: Vec::new(),
            switch_interval: None,
            home: None,
            paths: Vec::new(),
            folder: None,
            threads: 15,
            request_timeout: 0,
            queue_timeout: 0,
            server: context.server,
            place: place.clone(),
        };
        let given = options(rest).map_err(|what| Problem::new(place, what))?;
        let has = |wanted: &str| given.iter().any(|(option, _)| option == wanted);
        if has("script-user") && has("script-group") {
            let what =
                "WSGIDaemonProcess takes one of script-user= and script-group=: Apache would not start";
            return Err(Problem::new(place, what));
        }
        daemon.options.clone_from(&given);
        for (option, value) in given {
            let number = value.parse().unwrap_or_default();
            match option.as_str() {
                "switch-interval" => {
                    daemon.switch_interval = Some(seconds("switch-interval", &value, place)?.value);
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
        if self.site.daemons.contains_key(&name) {
            return Err(Problem::new(place, format!("a second WSGIDaemonProcess {name}")));
        }
        self.site.daemons.insert(name, daemon);
        Ok(())
    }

    fn alias(&mut self, directive: &Directive, context: &Context) -> Result<(), Problem> {
        let place = &directive.place;
        let (url, rest) = word(&directive.args);
        let (target, rest) = word(rest);
        let mut set = Settings::default();
        for (option, value) in options(rest).map_err(|what| Problem::new(place, what))? {
            let value = Some(Set { value, place: place.clone() });
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
            let (process, application) = (group(&process.value), group(&application.value));
            if is_fixed && !process.contains("%{") && !application.contains("%{") {
                self.known(&process, context, place)?;
                let script = target.clone();
                self.site.imports.push(Import { script, process, application, place: place.clone() });
            }
        }
        let pattern = pattern(&directive.name, &url);
        if let Pattern::Match(expression) = &pattern
            && let Some(trouble) = expression.trouble()
        {
            return Err(Problem::new(
                place,
                format!("WSGIScriptAliasMatch: {trouble}: Apache would not start"),
            ));
        }
        let takes = Takes::Script { target, options: Box::new(set) };
        let mapping = Mapping { pattern, takes, place: place.clone() };
        self.site.servers[context.server].scripts.push(mapping);
        Ok(())
    }

    fn handler(&mut self, directive: &Directive, context: &Context) -> Result<(), Problem> {
        let place = &directive.place;
        let (name, rest) = word(&directive.args);
        let (script, rest) = word(rest);
        let mut handler = Handler { script, process: None, application: None, place: place.clone() };
        for (option, value) in options(rest).map_err(|what| Problem::new(place, what))? {
            let value = Some(Set { value, place: place.clone() });
            match option.as_str() {
                "process-group" => handler.process = value,
                "application-group" => handler.application = value,
                _ => {}
            }
        }
        self.settings(context).handlers.insert(name, handler);
        Ok(())
    }

    fn import(&mut self, directive: &Directive, context: &Context) -> Result<(), Problem> {
        let place = &directive.place;
        let (script, rest) = word(&directive.args);
        let (mut process, mut application) = (None, None);
        for (option, value) in options(rest).map_err(|what| Problem::new(place, what))? {
            match option.as_str() {
                "process-group" => process = Some(group(&value)),
                _ => application = Some(group(&value)),
            }
        }
        let (Some(process), Some(application)) = (process, application) else {
            return Err(Problem::new(place, "WSGIImportScript needs process-group= and application-group="));
        };
        self.known(&process, context, place)?;
        self.site.imports.push(Import { script, process, application, place: place.clone() });
        Ok(())
    }

    /// A daemon process must stand before what is loaded into it, and be of this server, the main one, or one of the same name.
    fn known(&self, process: &str, context: &Context, place: &ConfigPlace) -> Result<(), Problem> {
        if process.is_empty() {
            return Ok(());
        }
        let Some(daemon) = self.site.daemons.get(process) else {
            let what = format!("there is no WSGIDaemonProcess {process} above this line");
            return Err(Problem::new(place, what));
        };
        let name = |server: usize| self.site.servers[server].name.as_deref();
        if daemon.server != 0 && name(daemon.server) != name(context.server) {
            let what = format!(
                "WSGIDaemonProcess {process} ({}) is of another virtual host: Apache would not start (move it to the \
                 top level)",
                daemon.place
            );
            return Err(Problem::new(place, what));
        }
        Ok(())
    }
}

/// `<WSGIInterpreterOptions>`.
pub(super) fn block(section: &Directive) -> Result<Block, Problem> {
    let wrong = |what: String| Problem::new(&section.place, what);
    let (mut process, mut application) = (None, None);
    for word in words(&section.args) {
        let Some((key, value)) = word.split_once('=') else {
            return Err(wrong(format!("<WSGIInterpreterOptions>: {word:?} is not key=value")));
        };
        let selector = match key.to_ascii_lowercase().as_str() {
            "process-group" => &mut process,
            "application-group" => &mut application,
            _ => return Err(wrong(format!("<WSGIInterpreterOptions>: {key:?} is no selector"))),
        };
        if selector.replace(group(value)).is_some() {
            return Err(wrong(format!("<WSGIInterpreterOptions>: {key} more than once")));
        }
    }
    let (options, python_path) = (Options::default(), Vec::new());
    Ok(Block { process, application, options, python_path, place: section.place.clone() })
}
