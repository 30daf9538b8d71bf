//! Where requests land (mod_wsgi 6.1.1, `mod_wsgi.c`: `wsgi_hook_intercept`, `wsgi_hook_handler`; `wsgi_config.c`:
//! `wsgi_create_req_config`).

use std::path::{Path, PathBuf};

use super::check::Build;
use super::sections::{Held, Section, is_under};
use super::site::{Alias, Groups, Server, Site};
use crate::model::{ConfigPlace, Landing, Mode};

/// Landings, and what could not be told of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Placed {
    pub(super) landings: Vec<Landing>,
    pub(super) not_told: Vec<(ConfigPlace, String)>,
    /// Aliases that an earlier one takes all requests from, with that one's line.
    pub(super) shadowed: Vec<(ConfigPlace, ConfigPlace)>,
}

impl Site {
    /// Every application in every server that serves it, and once more for each `<Location>` below its URL.
    pub(super) fn landings(&self, build: &Build) -> Placed {
        let mut placed = Placed::default();
        let main = &self.servers[0];
        for (index, server) in self.servers.iter().enumerate() {
            if index == 0 && !self.is_main_reached() {
                continue;
            }
            let inherited: &[Alias] = if index == 0 { &[] } else { &main.aliases };
            let aliases: Vec<&Alias> = server.aliases.iter().chain(inherited).collect();
            for (position, alias) in aliases.iter().enumerate() {
                let earlier = aliases.iter().take(position);
                if let Some(earlier) = earlier.into_iter().find(|earlier| earlier.covers(alias)) {
                    placed.shadowed.push((alias.place.clone(), earlier.place.clone()));
                    continue;
                }
                self.land(server, index, alias, build, &mut placed);
            }
        }
        // One that some server serves is of use.
        let Placed { landings, shadowed, .. } = &mut placed;
        shadowed.retain(|(place, _)| !landings.iter().any(|landing| landing.place == *place));
        placed.not_told.sort();
        placed.not_told.dedup();
        placed.shadowed.sort();
        placed.shadowed.dedup();
        placed
    }

    /// Whether any address is left to the main server by the virtual hosts.
    fn is_main_reached(&self) -> bool {
        let hosts = self.servers.get(1..).unwrap_or_default();
        let ports: &[u16] = if self.ports.is_empty() { &[80] } else { &self.ports };
        let is_taken = |port: u16| {
            let mut addresses = hosts.iter().flat_map(|host| &host.addresses);
            addresses.any(|address| match address.rsplit_once(':') {
                Some(("*" | "_default_", wanted)) => wanted == "*" || wanted == port.to_string(),
                Some(_) => false,
                None => address == "*" || address == "_default_",
            })
        };
        !ports.iter().all(|port| is_taken(*port))
    }

    fn land(&self, server: &Server, index: usize, alias: &Alias, build: &Build, placed: &mut Placed) {
        let inherited: &[Section] = if index == 0 { &[] } else { &self.servers[0].sections };
        // The main server's come first among those of one rank.
        let mut sections: Vec<&Section> = inherited.iter().chain(&server.sections).collect();
        sections.sort_by_key(|section| section.rank());
        let script = Path::new(&alias.target);
        let mut urls: Vec<Option<String>> = vec![(!alias.is_match).then(|| alias.url.clone())];
        if !alias.is_match {
            let below = sections.iter().flat_map(|section| &section.conditions);
            let below =
                below.filter(|place| place.stage == super::sections::Stage::Location && !place.is_expression);
            let below = below.map(|place| place.argument.clone()).filter(|url| {
                is_under(url, &alias.url) && url.trim_end_matches('/') != alias.url.trim_end_matches('/')
            });
            let mut below: Vec<String> = below.collect();
            below.sort();
            below.dedup();
            urls.extend(below.into_iter().map(Some));
        }
        let base = if index == 0 {
            server.groups.clone()
        } else {
            server.groups.clone().over(&self.servers[0].groups)
        };
        let mut seen: Vec<Landing> = Vec::new();
        for url in urls {
            let mut groups = Groups::default();
            for section in &sections {
                match section.holds(script, url.as_deref()) {
                    Held::Yes => groups = section.groups.clone().over(&groups),
                    Held::Perhaps => self.perhaps(section, alias, placed),
                    Held::No => {}
                }
            }
            let groups = alias.groups.clone().over(&groups.over(&base));
            let landing = self.landing(server, alias, url.as_deref(), &groups, build, placed);
            let is_same = |other: &Landing| {
                other.process_group == landing.process_group
                    && other.application_group == landing.application_group
                    && other.callable == landing.callable
            };
            if !seen.iter().any(is_same) {
                seen.push(landing);
            }
        }
        placed.landings.extend(seen);
    }

    /// A section of which it is not known whether it is for this alias matters where it would change something.
    fn perhaps(&self, section: &Section, alias: &Alias, placed: &mut Placed) {
        let sets = &section.groups;
        let matters = (sets.process.is_some() && alias.groups.process.is_none())
            || (sets.application.is_some() && alias.groups.application.is_none())
            || (sets.callable.is_some() && alias.groups.callable.is_none());
        if matters {
            let what = format!("whether this section is for requests to {} is not told", alias.url);
            placed.not_told.push((section.place.clone(), what));
        }
    }

    fn landing(
        &self,
        server: &Server,
        alias: &Alias,
        url: Option<&str>,
        groups: &Groups,
        build: &Build,
        placed: &mut Placed,
    ) -> Landing {
        let mut name = |named: Option<&str>, default: &str| {
            let host = server.label(&self.servers[0]);
            match named.unwrap_or(default) {
                "%{GLOBAL}" | "" => String::new(),
                "%{RESOURCE}" => format!("{host}|{}", alias.url.trim_end_matches('/')),
                "%{SERVER}" | "%{HOST}" => host,
                other => {
                    if other.starts_with("%{ENV:") {
                        let what = format!("{other} is known only when a request is served");
                        placed.not_told.push((alias.place.clone(), what));
                    }
                    other.to_owned()
                }
            }
        };
        let process_group = name(groups.process.as_ref().map(|set| set.value.as_str()), "");
        let application_group =
            name(groups.application.as_ref().map(|set| set.value.as_str()), "%{RESOURCE}");
        let callable = groups.callable.as_ref().map_or("application", |set| &set.value).to_owned();
        let mode = self.mode(&process_group, &application_group, build);
        Landing {
            host: if server.addresses.is_empty() { String::new() } else { server.label(&self.servers[0]) },
            url: url.unwrap_or(&alias.url).to_owned(),
            script: PathBuf::from(&alias.target),
            callable,
            process_group,
            application_group,
            mode,
            application: None,
            place: alias.place.clone(),
        }
    }

    /// The kind of interpreter that a group gets.
    pub(super) fn mode(&self, process: &str, application: &str, build: &Build) -> Mode {
        let is_free = self.free_threading(process).is_some_and(|set| set.value);
        let is_own = self.resolved(process, application).own_gil.is_some_and(|set| set.value);
        match (application.is_empty(), is_free && build.is_free_threaded) {
            (true, true) => Mode::FreeThreaded,
            (true, false) => Mode::Main,
            (false, true) => Mode::FreeThreadedGroup,
            // On a build with a GIL `WSGIFreeThreading On` does nothing but switch this off.
            (false, false) if is_own && !is_free && build.has_own_gil => Mode::OwnGil,
            (false, false) => Mode::SharedGil,
        }
    }
}

impl Alias {
    /// Whether it takes every request that another one is for.
    fn covers(&self, other: &Self) -> bool {
        match (self.is_match, other.is_match) {
            (false, false) => is_under(&other.url, &self.url),
            (true, true) => self.url == other.url,
            (true, false) | (false, true) => false,
        }
    }
}

impl Server {
    /// `%{SERVER}`: its name, with the port where it is none of HTTP's own.
    pub(super) fn label(&self, main: &Self) -> String {
        let name = self.name.as_deref().or(main.name.as_deref()).unwrap_or("%{SERVER}");
        let address = self.addresses.first().and_then(|address| address.rsplit_once(':'));
        let port = self.port.or_else(|| address.and_then(|(_, port)| port.parse().ok()));
        match port {
            None | Some(80 | 443) => name.to_owned(),
            Some(port) => format!("{name}:{port}"),
        }
    }
}
