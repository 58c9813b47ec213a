//! Usage errors in one line, with the nearest name that would have been right.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::base::printable;
use crate::cli::args;

const NO_CAPTURE: &str = "no capture named; give a pcap or pcapng file, or - for standard input";

/// `error` as one line, without a program name before it.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = option(&text(ContextKind::InvalidArg));
    let value = shown(&text(ContextKind::InvalidValue));
    match error.kind() {
        ErrorKind::InvalidValue if value.is_empty() && argument.contains("FILE") => NO_CAPTURE.to_owned(),
        ErrorKind::InvalidValue if value.is_empty() => format!("{argument} needs a value{}", choices(&text(ContextKind::ValidValue))),
        ErrorKind::InvalidValue => {
            let valid = text(ContextKind::ValidValue);
            let near = nearest(&value, valid.split(", "));
            let what = match argument.as_str() {
                "--only" => "fault",
                other => other.trim_start_matches(['-', '<']).trim_end_matches('>'),
            };
            let what = what.to_lowercase();
            format!(
                "unknown {what} '{value}'{}{}",
                near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default(),
                choices(&valid)
            )
        }
        ErrorKind::ValueValidation => {
            let reason = std::error::Error::source(error).map(|source| source.to_string()).unwrap_or_default();
            let said = if reason.contains(&value) { shown(&reason) } else { format!("'{value}': {}", shown(&reason)) };
            format!("{argument}: {said}")
        }
        ErrorKind::UnknownArgument => {
            let near = text(ContextKind::SuggestedArg);
            let near = if near.is_empty() { options_like(&argument) } else { Some(near) };
            let near = near.map(|near| format!("; did you mean '{}'?", option(&near))).unwrap_or_default();
            format!("unknown option '{}'{near}", shown(&argument))
        }
        ErrorKind::MissingRequiredArgument if argument.contains("FILE") => NO_CAPTURE.to_owned(),
        ErrorKind::MissingRequiredArgument => format!("{argument} is missing, without which another option here does nothing"),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "nothing to do; try 'whohungup FILE' or 'whohungup --help'".to_owned()
        }
        ErrorKind::ArgumentConflict => {
            let other = text(ContextKind::PriorArg);
            if other.is_empty() || option(&other) == argument {
                format!("{argument} can be given only once")
            } else {
                let others: Vec<String> = other.split(", ").map(option).collect();
                format!("{argument} does not go with {}", others.join(", "))
            }
        }
        ErrorKind::InvalidUtf8 => "an argument that is no file name must be UTF-8".to_owned(),
        _ => {
            let all = error.to_string();
            let first = all.lines().next().unwrap_or_default();
            shown(first.strip_prefix("error: ").unwrap_or(first))
        }
    }
}

/// An argument without the value's placeholder: `--format <FORMAT>` is `--format`.
fn option(argument: &str) -> String {
    match argument.split_once([' ', '=']) {
        Some((name, _)) if name.starts_with('-') => name.to_owned(),
        _ => argument.to_owned(),
    }
}

fn shown(text: &str) -> String {
    printable(text, 120)
}

fn choices(valid: &str) -> String {
    if valid.is_empty() { String::new() } else { format!(" ({valid})") }
}

/// The option of any command most like a mistyped one.
fn options_like(mistyped: &str) -> Option<String> {
    let command = args::command();
    let names: Vec<String> = command
        .get_subcommands()
        .flat_map(|command| command.get_arguments().filter_map(|argument| argument.get_long()))
        .map(|name| format!("--{name}"))
        .collect();
    nearest(mistyped, names.iter().map(String::as_str)).map(str::to_owned)
}

/// The one of `names` that `mistyped` was probably meant to be.
pub(crate) fn nearest<'n>(mistyped: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let mistyped = mistyped.to_lowercase();
    let scored = names.filter(|name| !name.is_empty()).map(|name| (strsim::jaro_winkler(&mistyped, name), name));
    scored.filter(|&(likeness, _)| likeness > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[track_caller]
    fn says(arguments: &[&str], expected: &str) {
        let all = ["whohungup"].iter().chain(arguments);
        let error = args::Cli::try_parse_from(all).unwrap_err();
        let line = one_line(&error);
        assert_eq!(line, expected);
        assert!(!line.contains('\n'));
    }

    #[test]
    fn every_usage_error_is_one_helpful_line() {
        says(&["read", "x", "--format", "jsn"], "unknown format 'jsn'; did you mean 'json'? (table, json, ndjson, csv, markdown)");
        says(
            &["read", "x", "--only", "servr"],
            "unknown fault 'servr'; did you mean 'server'? (server, client, proxy, network, undetermined, none)",
        );
        says(&["read", "x", "--only", "zzz"], "unknown fault 'zzz' (server, client, proxy, network, undetermined, none)");
        says(&["read", "x", "--formt", "json"], "unknown option '--formt'; did you mean '--format'?");
        says(&["completions", "tcsh"], "unknown shell 'tcsh' (bash, elvish, fish, powershell, zsh)");
        says(&["read", ""], "no capture named; give a pcap or pcapng file, or - for standard input");
        says(&["read", "x", "--zzz"], "unknown option '--zzz'");
        says(&["read"], "no capture named; give a pcap or pcapng file, or - for standard input");
        says(&["show"], "no capture named; give a pcap or pcapng file, or - for standard input");
        says(&[], "nothing to do; try 'whohungup FILE' or 'whohungup --help'");
        says(&["read", "x", "--client", "host"], "--client: 'host' is no IP or IP:PORT");
        says(&["read", "x", "--tls-port", "99999"], "--tls-port: '99999' is no port: a number from 1 to 65535");
        says(&["read", "x", "--tls-port", "https"], "--tls-port: 'https' is no port: a number from 1 to 65535");
        says(&["read", "x", "--server", "10.0.0.0/8"], "--server: '10.0.0.0/8' is no IP, IP:PORT, name or *.name");
        says(&["read", "x", "--at", "01:00:00", "--from", "2:00:00"], "--at does not go with --from");
        says(&["read", "x", "--utc", "--utc"], "--utc can be given only once");
        says(&["read", "x", "--format"], "--format needs a value (table, json, ndjson, csv, markdown)");
        says(&["read", "x", "--at"], "--at needs a value");
        says(&["evidence", "x", "--key", "k"], "--anonymize is missing, without which another option here does nothing");
    }
}
