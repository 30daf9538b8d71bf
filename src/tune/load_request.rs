//! A request that is sent over and over, and the requests of an `.http` file as such. Pure functions.

use std::collections::BTreeMap;

use crate::app::{BodyPart, HttpRequest, TemplatePart, TextTemplate, ValueSource};

/// A request of the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoadRequest {
    /// Its method.
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    /// Its headers. Without `Host`, the name `localhost` is sent.
    pub(super) headers: Vec<(String, String)>,
    /// Its body.
    pub(super) body: Vec<u8>,
}

impl LoadRequest {
    /// A request without headers and body.
    pub(super) fn without_body(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// Names it in messages: `GET /path`.
    pub(super) fn describe(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// Makes a request of the load from one of an `.http` file. `read_file` returns the content of a file that the body names.
///
/// # Errors
/// Why the request cannot be sent by itself, over and over.
pub(super) fn to_load_request<'f>(
    request: &HttpRequest,
    variables: &BTreeMap<String, String>,
    read_file: impl Fn(&str) -> &'f [u8],
) -> Result<LoadRequest, String> {
    let fill = |template: &TextTemplate| fill_template(template, variables);
    let target = fill(&request.target)?;
    if !target.starts_with('/') {
        return Err("its path is not known before".to_owned());
    }
    let header = |(name, value): &(String, TextTemplate)| Ok((name.clone(), fill(value)?));
    let headers = request.headers.iter().map(header).collect::<Result<_, String>>()?;
    let mut body = Vec::new();
    for part in &request.body {
        match part {
            BodyPart::Text(text) => body.extend_from_slice(fill(text)?.as_bytes()),
            BodyPart::File { path, .. } => body.extend_from_slice(read_file(path)),
        }
    }
    Ok(LoadRequest { method: request.method.clone(), target, headers, body })
}

/// Fills in the variables of the environment.
fn fill_template(template: &TextTemplate, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut text = String::new();
    for part in &template.0 {
        match part {
            TemplatePart::Plain(plain) => text.push_str(plain),
            TemplatePart::Value(value) => match &value.source {
                ValueSource::Variable(name) => {
                    text.push_str(variables.get(name).map(String::as_str).unwrap_or_default());
                }
                ValueSource::Capture(_) | ValueSource::Header(..) | ValueSource::Body(..) => {
                    return Err(format!("it needs {{{{{}}}}}, from an earlier answer", value.typed));
                }
            },
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::parse_requests;

    fn load(text: &str) -> Vec<Result<LoadRequest, String>> {
        let variables = BTreeMap::from([("TOKEN".to_owned(), "secret".to_owned())]);
        let parsed = parse_requests(text, &["TOKEN".to_owned()]).unwrap();
        let each = |request| to_load_request(request, &variables, |_| b"content");
        parsed.all.iter().map(each).collect()
    }

    #[test]
    fn a_request_stands_alone() {
        let text = "POST https://shop.example/cart?x=1\nX-Token: {{$processEnv TOKEN}}\n\na=b\n###\n\
                    POST /up\n\n< file.bin\n";
        let all = load(text);
        let first = all[0].clone().unwrap();
        assert_eq!(first.describe(), "POST /cart?x=1");
        let headers = [("Host", "shop.example"), ("X-Token", "secret")];
        assert_eq!(first.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(first.body, b"a=b");
        assert_eq!(all[1].clone().unwrap().body, b"content");
    }

    #[test]
    fn what_an_earlier_answer_decides_is_left_out() {
        let text = "# @name login\nPOST /login\n###\nGET /cart/{{login.response.body.$.id}}\n";
        let all = load(text);
        assert!(all[0].is_ok());
        assert_eq!(all[1], Err("it needs {{login.response.body.$.id}}, from an earlier answer".to_owned()));
    }
}
