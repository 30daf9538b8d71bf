//! What `observe.py` reports to the probes: the name of an event and its fields, all of them texts.

use crate::interpreter_names;
use crate::protocol::{Exception, LoadFailure, TrialEvent};

/// Parses the event that `observe.py` reports in this interpreter; `None` if there is nothing to record.
pub fn parse_event(fields: &[String], interpreter: String) -> Option<TrialEvent> {
    let (event, rest) = fields.split_first()?;
    Some(match (event.as_str(), rest) {
        ("loading", [name, path, chain @ ..]) => {
            TrialEvent::Loading { interpreter, name: name.clone(), path: path.clone(), chain: chain.to_vec() }
        }
        ("gil-enabled", [name]) => TrialEvent::GilEnabled { interpreter, name: name.clone() },
        ("loaded", [name]) => TrialEvent::Loaded { interpreter, name: name.clone() },
        ("failed", [name, behind, raised_in, kind, text, chain @ ..]) => {
            let error = build_exception([behind, raised_in, kind, text], chain);
            TrialEvent::Failed { interpreter, name: name.clone(), error }
        }
        ("uncaught", [behind, raised_in, kind, text, chain @ ..]) => {
            TrialEvent::Uncaught(build_exception([behind, raised_in, kind, text], chain))
        }
        ("calling", [name]) => TrialEvent::Calling(name.clone()),
        ("importing", [name]) => TrialEvent::Importing(name.clone()),
        ("standard", names) if interpreter_names::is_first(&interpreter) => {
            TrialEvent::Standard(names.to_vec())
        }
        ("held", [module, by @ ..]) => {
            TrialEvent::Held { interpreter, module: module.clone(), by: by.to_vec() }
        }
        ("answered", answers) => TrialEvent::Answered(answers.to_vec()),
        ("threads", names) => TrialEvent::ThreadsLeft(names.to_vec()),
        ("error", [behind, denied, raised_in, kind, text, chain @ ..]) => {
            let error = build_exception([behind, raised_in, kind, text], chain);
            TrialEvent::Error { denied: text_or_none(denied), error }
        }
        _ => return None,
    })
}

fn build_exception([behind, raised_in, kind, text]: [&String; 4], chain: &[String]) -> Exception {
    Exception {
        kind: kind.clone(),
        text: text.clone(),
        chain: chain.to_vec(),
        behind: behind.split(',').filter_map(parse_failed_load).collect(),
        raised_in: text_or_none(raised_in),
    }
}

/// `observe.py` passes an empty text for "none".
fn text_or_none(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// Parses a marked name of `observe.py`: `=name` or `~name`.
fn parse_failed_load(marked: &str) -> Option<LoadFailure> {
    let is_handled = marked.starts_with('~');
    let name = marked.strip_prefix(['=', '~'])?.to_owned();
    Some(LoadFailure { name, is_handled })
}

#[cfg(test)]
mod tests {
    use super::parse_event;
    use crate::protocol::{Exception, LoadFailure, TrialEvent};

    fn texts(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    fn parsed(fields: &[&str]) -> Option<TrialEvent> {
        parse_event(&texts(fields), "B".to_owned())
    }

    fn exception(behind: &[(&str, bool)], raised_in: Option<&str>) -> Exception {
        let behind = behind
            .iter()
            .map(|(name, is_handled)| LoadFailure { name: (*name).to_owned(), is_handled: *is_handled });
        Exception {
            kind: "ValueError".to_owned(),
            text: "bad".to_owned(),
            chain: texts(&["outer", "inner"]),
            behind: behind.collect(),
            raised_in: raised_in.map(str::to_owned),
        }
    }

    #[test]
    fn loads_name_their_interpreter() {
        let (interpreter, name) = ("B".to_owned(), "shop._fast".to_owned());
        assert_eq!(
            parsed(&["loading", "shop._fast", "/x.so", "shop", "shop._fast"]),
            Some(TrialEvent::Loading {
                interpreter: interpreter.clone(),
                name: name.clone(),
                path: "/x.so".to_owned(),
                chain: texts(&["shop", "shop._fast"]),
            })
        );
        assert_eq!(
            parsed(&["loaded", "shop._fast"]),
            Some(TrialEvent::Loaded { interpreter: interpreter.clone(), name: name.clone() })
        );
        assert_eq!(
            parsed(&["gil-enabled", "shop._fast"]),
            Some(TrialEvent::GilEnabled { interpreter: interpreter.clone(), name: name.clone() })
        );
        assert_eq!(
            parsed(&["held", "shop._fast", "shop.fast"]),
            Some(TrialEvent::Held { interpreter, module: name, by: texts(&["shop.fast"]) })
        );
        assert_eq!(parsed(&["calling", "shop.sell"]), Some(TrialEvent::Calling("shop.sell".to_owned())));
        assert_eq!(parsed(&["importing", "shop"]), Some(TrialEvent::Importing("shop".to_owned())));
    }

    #[test]
    fn failures_name_the_loads_that_caused_them() {
        let failed = ["failed", "shop", "=a,~b,,c", "shop.x", "ValueError", "bad", "outer", "inner"];
        assert_eq!(
            parsed(&failed),
            Some(TrialEvent::Failed {
                interpreter: "B".to_owned(),
                name: "shop".to_owned(),
                error: exception(&[("a", false), ("b", true)], Some("shop.x")),
            })
        );
        assert_eq!(
            parsed(&["uncaught", "", "", "ValueError", "bad", "outer", "inner"]),
            Some(TrialEvent::Uncaught(exception(&[], None)))
        );
        assert_eq!(
            parsed(&["error", "", "OSError: no", "shop", "ValueError", "bad", "outer", "inner"]),
            Some(TrialEvent::Error {
                denied: Some("OSError: no".to_owned()),
                error: exception(&[], Some("shop")),
            })
        );
        assert_eq!(
            parsed(&["error", "", "", "", "ValueError", "bad", "outer", "inner"]),
            Some(TrialEvent::Error { denied: None, error: exception(&[], None) })
        );
    }

    #[test]
    fn lists_may_be_empty() {
        assert_eq!(parsed(&["answered"]), Some(TrialEvent::Answered(Vec::new())));
        assert_eq!(parsed(&["answered", "200 OK"]), Some(TrialEvent::Answered(texts(&["200 OK"]))));
        assert_eq!(parsed(&["threads", "pool"]), Some(TrialEvent::ThreadsLeft(texts(&["pool"]))));
    }

    #[test]
    fn the_standard_library_is_recorded_where_it_is_imported_first() {
        let fields = texts(&["standard", "json", "re"]);
        for first in ["main", "A"] {
            let event = parse_event(&fields, first.to_owned());
            assert_eq!(event, Some(TrialEvent::Standard(texts(&["json", "re"]))), "{first}");
        }
        assert_eq!(parse_event(&fields, "B".to_owned()), None);
    }

    #[test]
    fn what_is_no_event_is_not_recorded() {
        for fields in
            [&[][..], &["loaded"], &["loaded", "a", "b"], &["other", "a"], &["failed", "a", "", "", "E"]]
        {
            assert_eq!(parsed(fields), None, "{fields:?}");
        }
    }
}
