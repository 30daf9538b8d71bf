//! The live page: one HTML document, which asks for nothing but its event stream.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("live_page/page.html");
const STYLE: &str = include_str!("live_page/style.css");
const SCRIPT: &str = include_str!("live_page/script.js");

/// Returns the page, and its Content-Security-Policy: its own style and script, and nothing else.
pub(super) fn compose_page() -> &'static (String, String) {
    static COMPOSED: OnceLock<(String, String)> = OnceLock::new();
    COMPOSED.get_or_init(|| {
        let page = PAGE.replace("{style}", STYLE).replace("{script}", SCRIPT);
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            digest(STYLE),
            digest(SCRIPT)
        );
        (page, policy)
    })
}

fn digest(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}
