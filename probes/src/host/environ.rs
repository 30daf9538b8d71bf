//! Builds the `environ` dictionary (PEP 3333) of a request.

use std::collections::HashMap;

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use hyper::http::Version;
use wsgiaudit_probes_core::request_headers::{cgi_variable_name, is_for_application, join_values};

use super::request_exchange::RequestJob;
use crate::python::{self, Object};

/// The entries that every `environ` of one interpreter has, and preallocated key strings.
pub(super) struct EnvironTemplate {
    base: Object,
    names: HashMap<&'static str, Object>,
    headers: HashMap<HeaderName, Object>,
}

const NAMES: [&str; 15] = [
    "REQUEST_METHOD",
    "SCRIPT_NAME",
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
    "HTTPS",
];

/// Headers whose keys are preallocated because most requests have them.
const COMMON_HEADERS: [&str; 16] = [
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

impl EnvironTemplate {
    /// Creates the template; `None` with a Python exception set.
    ///
    /// # Safety
    /// The thread holds the GIL of the interpreter that owns `base`.
    pub(super) unsafe fn new(base: Object) -> Option<Self> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let names = NAMES.iter().map(|name| Some((*name, python::new_latin1_str(name.as_bytes())?)));
            let headers = COMMON_HEADERS.iter().map(|name| {
                let name = HeaderName::from_static(name);
                let key = python::new_latin1_str(&cgi_variable_name(&name))?;
                Some((name, key))
            });
            Some(Self {
                base,
                names: names.collect::<Option<_>>()?,
                headers: headers.collect::<Option<_>>()?,
            })
        }
    }

    /// Returns the `environ` of a request; `None` with a Python exception set.
    ///
    /// # Safety
    /// The thread holds the interpreter's GIL.
    pub(super) unsafe fn build_environ(&self, job: &RequestJob, input: &Object) -> Option<Object> {
        // SAFETY: references are checked; the dictionary takes its own references.
        unsafe {
            let environ = Object::new(python::PyDict_Copy(self.base.as_ptr()))?;
            let set = |name: &str, value: &[u8]| {
                let value = python::new_latin1_str(value)?;
                self.set_item(&environ, name, &value)
            };
            let uri = &job.head.uri;
            set("REQUEST_METHOD", job.head.method.as_str().as_bytes())?;
            let (script, path) = job.path.split_at_mount(&job.mount);
            if !script.is_empty() || !job.peer.prefix.is_empty() {
                set("SCRIPT_NAME", &[job.peer.prefix.as_bytes(), script].concat())?;
            }
            set("PATH_INFO", path)?;
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
            if job.peer.scheme == "https" && job.listener.is_encrypted {
                // PEP 3333: servers should set it if they encrypt the connection themselves.
                set("HTTPS", b"on")?;
            }
            self.set_item(&environ, "wsgi.input", input)?;
            self.set_headers(&environ, &job.head.headers)?;
            Some(environ)
        }
    }

    unsafe fn set_item(&self, environ: &Object, name: &str, value: &Object) -> Option<()> {
        // SAFETY: the objects are alive and the caller holds the GIL.
        unsafe {
            let name = self.names.get(name)?;
            (python::PyDict_SetItem(environ.as_ptr(), name.as_ptr(), value.as_ptr()) == 0).then_some(())
        }
    }

    /// Adds the request headers as `HTTP_*` variables.
    unsafe fn set_headers(&self, environ: &Object, headers: &HeaderMap) -> Option<()> {
        for name in headers.keys().filter(|name| is_for_application(name)) {
            let joined = join_values(headers, name);
            // SAFETY: the objects are alive and the caller holds the GIL.
            unsafe {
                let value = python::new_latin1_str(&joined)?;
                if *name == CONTENT_TYPE {
                    self.set_item(environ, "CONTENT_TYPE", &value)?;
                } else if *name == CONTENT_LENGTH {
                    self.set_item(environ, "CONTENT_LENGTH", &value)?;
                } else if let Some(key) = self.headers.get(name) {
                    python::PyDict_SetItem(environ.as_ptr(), key.as_ptr(), value.as_ptr());
                } else {
                    let key = python::new_latin1_str(&cgi_variable_name(name))?;
                    python::PyDict_SetItem(environ.as_ptr(), key.as_ptr(), value.as_ptr());
                }
            }
        }
        Some(())
    }
}
