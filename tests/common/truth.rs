//! What the lab says of the sessions in its captures: `captures/truth.jsonl`.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

/// What the lab says of one session.
#[derive(Debug)]
pub struct Truth(pub Value);

impl Truth {
    pub fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    pub fn words(&self, field: &str) -> Vec<&str> {
        self.0[field].as_array().map(|words| words.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }

    /// Whether `word` is `field`'s value, or one of those that are acceptable too.
    pub fn allows(&self, field: &str, word: &str) -> bool {
        self.text(field) == word || self.words(&format!("{field}_also")).contains(&word)
    }

    /// The client's and the server's address and port.
    pub fn endpoints(&self) -> (String, String) {
        let normal = |text: &str| text.parse::<SocketAddr>().map_or_else(|_| text.to_owned(), |address| address.to_string());
        (normal(self.text("client")), normal(self.text("server")))
    }

    /// Nothing went wrong in it.
    pub fn clean(&self) -> bool {
        matches!(self.text("ending"), "close_notify" | "open") && self.words("fault").contains(&"none")
    }
}

/// The truths of a directory's captures, by file.
pub fn truths(directory: &Path) -> BTreeMap<String, Vec<Truth>> {
    let labels = fs::read_to_string(directory.join("truth.jsonl")).unwrap();
    let mut files: BTreeMap<String, Vec<Truth>> = BTreeMap::new();
    for line in labels.lines().filter(|line| !line.trim().is_empty()) {
        let truth = Truth(serde_json::from_str(line).unwrap());
        files.entry(truth.text("file").to_owned()).or_default().push(truth);
    }
    files
}
