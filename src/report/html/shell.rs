//! The frame around every page: head, colours, and the rule that nothing is ever loaded from elsewhere.

use sha2::{Digest, Sha256};

use crate::report::html::palette;
use crate::report::html::write::Html;

/// A whole document. `style` and `script` are our own; `body` writes what `<body>` holds.
pub(super) fn document(title: &str, style: &str, script: Option<&str>, body: impl FnOnce(&mut Html)) -> String {
    let style = format!("\n{}{}{style}", palette::css(), include_str!("style.css"));
    let mut html = Html::default();
    html.raw("<!DOCTYPE html>\n");
    html.within("html", &[("lang", "en")], |html| {
        html.within("head", &[], |html| {
            html.void("meta", &[("charset", "utf-8")]);
            html.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy(&style, script))]);
            html.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
            html.void("meta", &[("name", "referrer"), ("content", "no-referrer")]);
            html.leaf("title", &[], title);
            html.code("style", &style);
        });
        html.within("body", &[], |html| {
            body(html);
            if let Some(script) = script {
                html.code("script", script);
            }
        });
    });
    html.finish()
}

/// Only this very style and this very script; no image, font, frame, form or connection, from anywhere.
fn policy(style: &str, script: Option<&str>) -> String {
    let script = script.map_or("'none'".to_owned(), source);
    format!("default-src 'none'; style-src {}; script-src {script}; base-uri 'none'; form-action 'none'", source(style))
}

/// A source expression that allows exactly `code` (CSP Level 3, section 2.3.1).
fn source(code: &str) -> String {
    format!("'sha256-{}'", base64(&Sha256::digest(code.as_bytes())))
}

/// Base64 (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for place in 0..4 {
            let digit = ALPHABET.get((bits >> (18 - 6 * place) & 63) as usize).copied().unwrap_or(b'=');
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn the_policy_allows_what_is_written_and_nothing_else() {
        let page = document("a < b", "p{margin:0}", Some("let a = 1;"), |html| html.leaf("p", &[], "x"));
        assert!(page.contains("<title>a &lt; b</title>"), "{page}");
        let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
        let policy = page.split("content=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().replace("&#39;", "'");
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
                source(style),
                source("let a = 1;")
            )
        );
    }
}
