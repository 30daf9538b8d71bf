//! A request as PEP 3333's `environ`.

use std::collections::HashMap;

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName};
use hyper::http::Version;

use super::exchange::Job;
use super::glue::latin1;
use crate::python::{self, Object};

/// What every `environ` of one interpreter begins with, and the names of its entries, made once.
pub(super) struct Template {
    base: Object,
    names: HashMap<&'static str, Object>,
    headers: HashMap<HeaderName, Object>,
}

const NAMES: [&str; 13] = [
    "REQUEST_METHOD",
    "PATH_INFO",
    "QUERY_STRING",
    "REQUEST_URI",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "wsgi.input",
    "wsgi.url_scheme",
];

/// Headers that most requests have.
const COMMON: [&str; 16] = [
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "accept-language",
    "cookie",
    "referer",
    "connection",
    "cache-control",
    "authorization",
    "origin",
    "if-none-match",
    "if-modified-since",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-requested-with",
];

impl Template {
    /// # Safety
    /// The thread holds the GIL of the interpreter that `base` is of.
    pub(super) unsafe fn new(base: Object) -> Option<Self> {
        // SAFETY: the caller's promise.
        unsafe {
            let names = NAMES.iter().map(|name| Some((*name, latin1(name.as_bytes())?)));
            let headers = COMMON.iter().map(|name| {
                let name = HeaderName::from_static(name);
                let key = latin1(&variable(&name))?;
                Some((name, key))
            });
            Some(Self {
                base,
                names: names.collect::<Option<_>>()?,
                headers: headers.collect::<Option<_>>()?,
            })
        }
    }

    /// The `environ` of a request; `None` with an exception set.
    ///
    /// # Safety
    /// The thread holds the interpreter's GIL.
    pub(super) unsafe fn fill(&self, job: &Job, input: &Object) -> Option<Object> {
        // SAFETY: references are checked; the dictionary takes references of its own.
        unsafe {
            let environ = Object::new(python::PyDict_Copy(self.base.as_ptr()))?;
            let set = |name: &str, value: &[u8]| {
                let value = latin1(value)?;
                self.set(&environ, name, &value)
            };
            let uri = &job.head.uri;
            set("REQUEST_METHOD", job.head.method.as_str().as_bytes())?;
            set("PATH_INFO", &decoded(uri.path()))?;
            set("QUERY_STRING", uri.query().unwrap_or_default().as_bytes())?;
            set("REQUEST_URI", uri.path_and_query().map_or("", |whole| whole.as_str()).as_bytes())?;
            set("SERVER_NAME", job.listener.name.as_bytes())?;
            set("SERVER_PORT", job.listener.port.as_bytes())?;
            let protocol: &[u8] =
                if job.head.version == Version::HTTP_10 { b"HTTP/1.0" } else { b"HTTP/1.1" };
            set("SERVER_PROTOCOL", protocol)?;
            set("REMOTE_ADDR", job.peer.address.as_bytes())?;
            if !job.peer.port.is_empty() {
                set("REMOTE_PORT", job.peer.port.as_bytes())?;
            }
            if job.peer.scheme != "http" {
                set("wsgi.url_scheme", job.peer.scheme.as_bytes())?;
            }
            self.set(&environ, "wsgi.input", input)?;
            self.headers(&environ, &job.head.headers)?;
            Some(environ)
        }
    }

    unsafe fn set(&self, environ: &Object, name: &str, value: &Object) -> Option<()> {
        // SAFETY: living objects; the caller holds the GIL.
        unsafe {
            let name = self.names.get(name)?;
            (python::PyDict_SetItem(environ.as_ptr(), name.as_ptr(), value.as_ptr()) == 0).then_some(())
        }
    }

    /// A name with an underscore cannot be told from one with a hyphen, and `Proxy` becomes a variable that
    /// programs obey (CVE-2016-5385): both are left out.
    unsafe fn headers(&self, environ: &Object, headers: &HeaderMap) -> Option<()> {
        for name in headers.keys() {
            if name.as_str().contains('_') || name.as_str() == "proxy" {
                continue;
            }
            let mut values = headers.get_all(name).iter();
            let mut joined = values.next().map(|value| value.as_bytes().to_vec()).unwrap_or_default();
            for value in values {
                joined.extend_from_slice(if *name == COOKIE { b"; " } else { b"," });
                joined.extend_from_slice(value.as_bytes());
            }
            // SAFETY: living objects; the caller holds the GIL.
            unsafe {
                let value = latin1(&joined)?;
                if *name == CONTENT_TYPE {
                    self.set(environ, "CONTENT_TYPE", &value)?;
                } else if *name == CONTENT_LENGTH {
                    self.set(environ, "CONTENT_LENGTH", &value)?;
                } else if let Some(key) = self.headers.get(name) {
                    python::PyDict_SetItem(environ.as_ptr(), key.as_ptr(), value.as_ptr());
                } else {
                    let key = latin1(&variable(name))?;
                    python::PyDict_SetItem(environ.as_ptr(), key.as_ptr(), value.as_ptr());
                }
            }
        }
        Some(())
    }
}

/// `accept-encoding` to `HTTP_ACCEPT_ENCODING`.
fn variable(name: &HeaderName) -> Vec<u8> {
    let letters = name.as_str().bytes().map(|letter| match letter {
        b'-' => b'_',
        letter => letter.to_ascii_uppercase(),
    });
    b"HTTP_".iter().copied().chain(letters).collect()
}

/// Percent-decoded. What is no valid escape stays.
pub(super) fn decoded(path: &str) -> Vec<u8> {
    let path = path.as_bytes();
    let mut out = Vec::with_capacity(path.len());
    let mut index = 0;
    while index < path.len() {
        let digit = |at: usize| path.get(at).and_then(|letter| (*letter as char).to_digit(16));
        match (path[index], digit(index + 1), digit(index + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                index += 3;
            }
            (letter, _, _) => {
                out.push(letter);
                index += 1;
            }
        }
    }
    out
}
