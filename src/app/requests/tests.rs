//! Syntax that both clients share, and the messages for errors.

use super::*;

fn parse_valid(text: &str) -> ParsedRequests {
    parse_requests(text, &["SHOP_KEY".to_owned()]).unwrap()
}

fn parse_error(text: &str) -> String {
    parse_requests(text, &[]).unwrap_err()
}

/// Returns a request in one line, with the body between bars.
fn format_request(request: &HttpRequest) -> String {
    let headers: String = request.headers.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    let body: String = request
        .body
        .iter()
        .map(|part| match part {
            BodyPart::Text(text) => text.to_string(),
            BodyPart::File { path, line } => format!("<{path}:{line}>"),
        })
        .collect();
    format!("{} {} {}{headers} |{body}|", request.method, request.scheme, request.target)
}

fn format_requests(text: &str) -> Vec<String> {
    parse_valid(text).all.iter().map(format_request).collect()
}

#[test]
fn the_parts_of_a_request_are_told_apart() {
    let text = "# a comment\nGET /plain\n\n### named\nPOST http://shop.test/buy?item=%C3%A9 HTTP/1.1\n\
                Content-Type: text/plain\n\none\n\ntwo\n\n###\n/only-a-path\n###\nhttps://shop.test:8443\n";
    assert_eq!(
        format_requests(text),
        [
            "GET http /plain ||",
            "POST http /buy?item=%C3%A9 Host=shop.test Content-Type=text/plain |one\n\ntwo|",
            "GET http /only-a-path ||",
            "GET https / Host=shop.test:8443 ||",
        ]
    );
}

#[test]
fn variables_of_the_file_are_put_in_place_also_in_each_other() {
    let text = "@host = http://{{name}}\n@name=shop.test\n\nGET {{host}}/a/{{ item }} HTTP/1.1\nX-Item: {{item}}\n\n\
                {\"item\": \"{{item}}\"}\n\n### another\n@item = 7\n# the last of a name counts\n@item = 8\nGET /b";
    assert_eq!(
        format_requests(text),
        ["GET http /a/8 Host=shop.test X-Item=8 |{\"item\": \"8\"}|", "GET http /b ||"]
    );
}

#[test]
fn a_url_and_a_form_may_go_on_in_further_lines() {
    let text = "GET /find\n    ?a=b\n    &c=d HTTP/1.1\nX-One: 1\n\n###\nPOST /form\n\
                Content-Type: application/x-www-form-urlencoded\n\na=b\n&c=d&\ne=f\n";
    let form = "POST http /form Content-Type=application/x-www-form-urlencoded |a=b&c=d&e=f|";
    assert_eq!(format_requests(text), ["GET http /find?a=b&c=d X-One=1 ||", form]);
}

#[test]
fn a_body_may_be_a_file_or_hold_one() {
    let text = "PUT /a\n\n< cart.json\n\n###\nPOST /b\nContent-Type: multipart/form-data; boundary=x\n\n--x\n\n< a b.png\n--x--\n\n";
    assert_eq!(
        format_requests(text),
        [
            "PUT http /a |<cart.json:3>|",
            "POST http /b Content-Type=multipart/form-data; boundary=x |--x\r\n\r\n<a b.png:11>\r\n--x--\r\n|",
        ]
    );
}

#[test]
fn values_of_answers_and_of_the_trials_are_left_for_later() {
    let text = "# @name login\nPOST /login\n# @capture token = name=\"csrf\" value=\"([^\"]+)\"\n\n###\n\
                @auth = Bearer {{login.response.body.$.token}}\nGET {{login.response.headers.Location}}\n\
                Authorization: {{auth}}\nX-Csrf: {{token}}\nX-Key: {{$processEnv SHOP_KEY}}\n";
    let read = parse_valid(text);
    let [login, next] = read.all.as_slice() else { panic!("{read:?}") };
    assert_eq!(login.captures[0].pattern, "name=\"csrf\" value=\"([^\"]+)\"");
    assert_eq!(login.captures[0].line, 3);
    let sources: Vec<ValueSource> =
        next.templates().flat_map(TextTemplate::values).map(|value| value.source.clone()).collect();
    assert_eq!(
        sources,
        [
            ValueSource::Header(0, "Location".to_owned()),
            ValueSource::Body(0, Some(vec![JsonPathStep::Key("token".to_owned())])),
            ValueSource::Capture("token".to_owned()),
            ValueSource::Variable("SHOP_KEY".to_owned()),
        ]
    );
    assert!(
        format_request(next).contains("Authorization=Bearer {{login.response.body.$.token}}"),
        "{}",
        format_request(next)
    );
}

#[test]
fn what_clients_do_beside_asking_is_told_and_not_done() {
    let text = "< {%\n  request.variables.set('a', 1)\n%}\nGET /a\n\n> {%\n client.global.set('b', 2);\n%}\n###\n\
                # @no-cookie-jar\nGET /b\n\n>> answer.json\n> after.js\n";
    let read = parse_valid(text);
    assert_eq!(read.all.iter().map(format_request).collect::<Vec<_>>(), ["GET http /a ||", "GET http /b ||"]);
    assert_eq!(read.all.iter().map(|each| each.has_cookies).collect::<Vec<_>>(), [true, false]);
    let lines: Vec<&str> = read.notes.iter().filter_map(|note| note.split(':').next()).collect();
    assert_eq!(lines, ["line 1", "line 6", "line 13", "line 14"]);
}

#[test]
fn a_password_is_written_as_http_wants_it() {
    for typed in ["Basic anna secret", "Basic anna:secret"] {
        assert_eq!(
            format_requests(&format!("GET /\nAuthorization: {typed}\n")),
            ["GET http / Authorization=Basic YW5uYTpzZWNyZXQ= ||"]
        );
    }
    assert_eq!(
        format_requests("GET /\nAuthorization: Basic YW5uYQ==\n"),
        ["GET http / Authorization=Basic YW5uYQ== ||"]
    );
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_what_to_type() {
    for (text, told) in [
        ("", "no request"),
        ("# only a comment\n", "no request"),
        ("@a = 1\n", "no request"),
        ("GET /a\nGET /b\n", "line 2: not a header"),
        ("get /a\n", "line 1: not METHOD URL"),
        ("\nGET relative\n", "line 2: not METHOD URL"),
        ("GET /a b\n", "line 1: not METHOD URL"),
        ("GET http://{{a.response.body.$.b}}/\n", "line 1: no request is named a"),
        ("@a b\nGET /\n", "line 1: not @name = value"),
        ("GET /{{item}}\n", "line 1: {{item}} is unknown: define it in a line @item = value"),
        ("@a = {{b}}\n@b = {{a}}\nGET /{{a}}\n", "line 3: {{a}} is defined by itself"),
        ("GET /\nX-Id: {{$guid}}\n", "line 2: {{$guid}} differs at each use"),
        ("GET /\n\n{{$timestamp}}\n", "line 3: {{$timestamp}} differs at each use"),
        ("GET /{{$dotenv KEY}}\n", "line 1: .env files are not read: pass --env KEY=VALUE"),
        ("GET /{{$processEnv KEY}}\n", "line 1: trials have no variable KEY: pass it on with --env KEY"),
        ("GET /{{login.response.body.$.a}}\n###\n# @name login\nGET /\n", "line 1: login is a later request"),
        (
            "# @name a\nGET /\n###\nGET /{{a.response.body.//x}}\n",
            "line 4: {{a.response.body.//x}}: a path must select",
        ),
        (
            "# @name a\nGET /\n###\nGET /{{a.request.body.$.x}}\n",
            "line 4: the content of sent requests is not available",
        ),
        ("GET /{{t}}\n# @capture t = (.)\n", "line 1: {{t}} is captured by a later request"),
        ("# @capture t\nGET /\n", "line 1: not # @capture name = pattern"),
        ("# @prompt user\nGET /\n", "line 1: @prompt is not supported: define the value, as @user"),
        ("GET /\n\n> {%\nclient.test()\n", "line 3: the script has no end"),
        ("GRAPHQL /graphql\n", "line 1: GRAPHQL is not an HTTP method"),
        ("GET /\n\n<@ cart.json\n", "line 3: <@ (a file with placeholders) is not supported"),
    ] {
        let error = parse_error(text);
        assert!(error.contains(told), "{text:?}: {error}");
    }
    assert!(parse_requests(&"GET /\n###\n".repeat(1001), &[]).is_err());
}
