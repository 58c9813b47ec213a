//! The command line: commands, options, and their help. Completions and the man page come from here too.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::cli::select::{Address, Cidr, Server};
use crate::cli::times::When;
use crate::diagnose::Fault;

const STYLES: Styles = Styles::styled().header(AnsiColor::Green.on_default().bold()).literal(AnsiColor::Cyan.on_default());

/// This TLS session ended badly: who hung up, and how do we know?
///
/// Reads packets captured by Wireshark, tshark or tcpdump (pcap, pcapng, compressed or not), and says of every TLS session in them how
/// it ended, who ended it, whose fault that was, how sure that is, and which frames prove it.
#[derive(Debug, Parser)]
#[command(name = "whohungup", version, styles = STYLES, disable_help_subcommand = true, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
`whohungup FILE...` is short for `whohungup read FILE...`; `-` is standard input.

Examples:
  whohungup office.pcapng
  whohungup read office.pcapng --server api.example.com --from 14:00 --to 14:10
  whohungup show office.pcapng 17
  whohungup evidence office.pcapng 17 -o ticket.zip
  whohungup causes --error \"SSL peer shut down incorrectly\"
  sudo whohungup live
  ssh host tcpdump -U -w - tcp port 443 | whohungup read -

Exit status: 0 it ran, 1 with --exit-code and a fault found, 2 it could not do its whole job.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Every session of a capture: a table, worst first, with totals
    Read(ReadArgs),
    /// One session's story: the verdict, why, what was ruled out, what to do, and all that happened
    Show(ShowArgs),
    /// The same as it happens, on an interface of this host; takes the right to capture, and gives it up once the capture is open
    Live(LiveArgs),
    /// Sessions made ready for a ticket: reports and their packets, scrubbed, in a folder or a zip file
    Evidence(EvidenceArgs),
    /// The manual of causes; --error finds causes by an application's message
    Causes(CausesArgs),
    /// What can be captured on
    Interfaces(Looks),
    /// For live alone: answers which process holds a socket
    #[cfg(all(feature = "live", target_os = "linux"))]
    #[command(hide = true)]
    ProcessNames,
    /// Completions for a shell
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// The manual page, in roff
    #[command(hide = true)]
    Man {
        /// The page of one command
        command: Option<String>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct ReadArgs {
    /// Captures; several are one capture cut into parts, read in order of time; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// How to print it
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// List clean sessions too, instead of only counting them
    #[arg(long, short)]
    pub(crate) all: bool,
    /// Exit with status 1 when a fault was found
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Print nothing but errors
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) keys: Keys,
    #[command(flatten)]
    pub(crate) selectors: Selectors,
    #[command(flatten)]
    pub(crate) looks: Looks,
}

#[derive(Args, Debug)]
#[command(override_usage = "whohungup show [OPTIONS] FILE... [N]")]
pub(crate) struct ShowArgs {
    /// Captures, as for read, and then the session's number: Wireshark's tcp.stream
    ///
    /// The number can be left out when the capture holds one session, or when options select one. A file whose name is a number is
    /// written ./17.
    #[arg(required = true, value_name = "FILE [N]")]
    pub(crate) files: Vec<OsString>,
    /// How to print it
    #[arg(long, short, value_enum, default_value_t = StoryFormat::Text)]
    pub(crate) format: StoryFormat,
    #[command(flatten)]
    pub(crate) keys: Keys,
    #[command(flatten)]
    pub(crate) selectors: Selectors,
    #[command(flatten)]
    pub(crate) looks: Looks,
}

#[derive(Args, Debug)]
#[command(override_usage = "whohungup evidence [OPTIONS] FILE... [N...]")]
pub(crate) struct EvidenceArgs {
    /// Captures, as for read, and then the sessions' numbers: Wireshark's tcp.stream
    ///
    /// The number can be left out when the capture holds one session, or when options select one.
    #[arg(required = true, value_name = "FILE [N]")]
    pub(crate) files: Vec<OsString>,
    /// Where to write it: a folder, or a file that ends in .zip [default: evidence-N, or evidence for several]
    #[arg(long, short, value_name = "DIR|FILE.zip")]
    pub(crate) output: Option<PathBuf>,
    /// Take all flagged sessions (of those selected), with an index
    #[arg(long)]
    pub(crate) flagged: bool,
    /// Replace addresses and names; networks stay networks, and lengths stay
    #[arg(long)]
    pub(crate) anonymize: bool,
    /// Replace them the same way in every run with this key; whoever has it can tell which address is which
    #[arg(long, value_name = "KEY", requires = "anonymize")]
    pub(crate) key: Option<String>,
    /// Let the secrets in the capture that decrypt these sessions, and no others, go with them
    #[arg(long, conflicts_with = "anonymize")]
    pub(crate) with_secrets: bool,
    /// Keep application data as it is, instead of zeroing it
    #[arg(long, conflicts_with = "anonymize")]
    pub(crate) keep_payload: bool,
    /// Replace an earlier bundle, and write one that does not prove its verdict by its own packets
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) keys: Keys,
    #[command(flatten)]
    pub(crate) selectors: Selectors,
    #[command(flatten)]
    pub(crate) looks: Looks,
}

#[derive(Args, Debug)]
pub(crate) struct LiveArgs {
    /// The interface to capture on; any: all of them [default: that of the default route]
    #[arg(long, short, value_name = "IF")]
    pub(crate) interface: Option<String>,
    /// How to print it
    #[arg(long, short, value_enum, default_value_t = LiveFormat::Table)]
    pub(crate) format: LiveFormat,
    /// Append the same as NDJSON to this file; it is opened again on SIGHUP
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Print clean sessions too, instead of only counting them
    #[arg(long, short)]
    pub(crate) all: bool,
    /// Print nothing on standard output
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) what: LiveCaptureArgs,
    /// Save the packets of each flagged session in this folder, as an annotated pcapng with application data zeroed
    #[arg(long, value_name = "DIR")]
    pub(crate) evidence: Option<PathBuf>,
    /// Memory for packets that may become evidence, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536), requires = "evidence")]
    pub(crate) evidence_memory: u32,
    /// Disk for evidence, in MiB; beyond it the oldest is deleted
    #[arg(long, value_name = "MIB", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(1..), requires = "evidence")]
    pub(crate) evidence_disk: u32,
    /// Serve counts for Prometheus at http://ADDR:PORT/metrics; without an address, to this host only
    #[cfg(all(feature = "live", unix))]
    #[arg(long, value_name = "[ADDR:]PORT")]
    pub(crate) metrics: Option<crate::cli::live::metrics::Address>,
    /// Leave out the names of local processes
    #[arg(long)]
    pub(crate) no_process: bool,
    /// Keep all rights once the capture is open, instead of giving them up
    #[arg(long)]
    pub(crate) no_sandbox: bool,
    #[command(flatten)]
    pub(crate) keys: Keys,
    #[command(flatten)]
    pub(crate) parties: Parties,
    #[command(flatten)]
    pub(crate) looks: Looks,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "What is captured")]
pub(crate) struct LiveCaptureArgs {
    /// A capture filter (pcap-filter(7)) [default: TCP and ICMP, tagged or not]
    #[arg(long, value_name = "BPF")]
    pub(crate) filter: Option<String>,
    /// Bytes kept of each packet; a cut packet limits what can be said
    #[arg(long, value_name = "BYTES", default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(64..=262_144))]
    pub(crate) snaplen: u32,
    /// The kernel's buffer, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=2_047))]
    pub(crate) buffer: u32,
    /// Also what is not addressed to this host: on a mirror port
    #[arg(long)]
    pub(crate) promiscuous: bool,
    /// End after this time: 90, 90s, 10m, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = lasting)]
    pub(crate) duration: Option<Duration>,
    /// End after this many packets
    #[arg(long, value_name = "PACKETS")]
    pub(crate) count: Option<u64>,
    /// Call a session stalled once its packets went unanswered and nothing was sent for this long
    #[arg(long, value_name = "TIME", default_value = "130s", value_parser = lasting)]
    pub(crate) stall: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct CausesArgs {
    /// The cause, as tables and stories name it; without it, all are listed
    #[arg(conflicts_with = "error")]
    pub(crate) name: Option<String>,
    /// Find causes by what an application logged
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) error: Option<String>,
    #[command(flatten)]
    pub(crate) looks: Looks,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Keys {
    /// Decrypt with the secrets in this key log (SSLKEYLOGFILE), which may still be written; can be given several times
    ///
    /// Alerts, certificates and application protocols are then read instead of inferred. Key logs inside a pcapng file are used without
    /// being asked for. No secret is ever printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Vec<PathBuf>,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which sessions")]
pub(crate) struct Selectors {
    #[command(flatten)]
    pub(crate) parties: Parties,
    /// Only sessions that lived at this time or later: 14:03:02, '2026-11-20 14:03:02', 2026-11-20T14:03:02Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<When>,
    /// Only sessions that lived at this time or before
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<When>,
    /// Only sessions alive at this time, or else the nearest one
    #[arg(long, value_name = "TIME", conflicts_with_all = ["from", "to"])]
    pub(crate) at: Option<When>,
    /// Only sessions with a packet that fits this capture filter (pcap-filter(7))
    #[arg(long, value_name = "BPF")]
    pub(crate) filter: Option<String>,
}

impl Selectors {
    /// Whether some session may be left out.
    pub(crate) fn any(&self) -> bool {
        let Selectors { parties, from, to, at, filter } = self;
        parties.any() || from.is_some() || to.is_some() || at.is_some() || filter.is_some()
    }
}

/// Sessions by who took part, and by whose fault it was.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which sessions")]
pub(crate) struct Parties {
    /// Only sessions of this client
    #[arg(long, value_name = "IP[:PORT]")]
    pub(crate) client: Option<Address>,
    /// Only sessions with this server, by address or by the name asked for (*.example.com: every name below)
    #[arg(long, value_name = "IP[:PORT]|NAME")]
    pub(crate) server: Option<Server>,
    /// Only sessions with one of these faults, separated by commas
    #[arg(long, value_name = "FAULT", value_delimiter = ',')]
    pub(crate) only: Vec<Only>,
    /// Leave out sessions with these addresses, separated by commas, such as health checkers
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(crate) ignore: Vec<Cidr>,
    /// A port that TLS is spoken on, beside the usual ones
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = port)]
    pub(crate) tls_port: Vec<u16>,
}

impl Parties {
    /// Whether some session may be left out.
    pub(crate) fn any(&self) -> bool {
        let Parties { client, server, only, ignore, tls_port: _ } = self;
        client.is_some() || server.is_some() || !only.is_empty() || !ignore.is_empty()
    }
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "How it looks")]
pub(crate) struct Looks {
    /// Times in UTC instead of the local time zone
    #[arg(long)]
    pub(crate) utc: bool,
    /// Colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One array
    Json,
    /// One object a line, each as soon as it is known
    Ndjson,
    /// One row a session
    Csv,
    /// For tickets
    Markdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LiveFormat {
    /// For people, a line a session
    Table,
    /// One object a line
    Ndjson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoryFormat {
    /// For people
    Text,
    /// The session's object
    Json,
    /// For tickets
    Markdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// A fault to select by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Only(pub(crate) Fault);

impl ValueEnum for Only {
    fn value_variants<'a>() -> &'a [Only] {
        const ALL: [Only; Fault::ALL.len()] = [
            Only(Fault::Server),
            Only(Fault::Client),
            Only(Fault::Proxy),
            Only(Fault::Network),
            Only(Fault::Undetermined),
            Only(Fault::None),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}

/// A port, in words of its own where it is none.
fn port(text: &str) -> Result<u16, String> {
    text.parse().ok().filter(|port| *port != 0).ok_or_else(|| format!("'{text}' is no port: a number from 1 to 65535"))
}

/// A time span as people type it: seconds, or a number with its unit.
fn lasting(text: &str) -> Result<Duration, String> {
    let error = || format!("'{text}' is no time; write 90s, 10m, 12h or 7d");
    let (number, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(error()),
    };
    let number: u32 = number.parse().map_err(|_| error())?;
    if number == 0 { Err(error()) } else { Ok(Duration::from_secs(u64::from(number) * seconds)) }
}

/// The definition, for completions and the man page.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// The arguments meant: without a command it is `read`.
pub(crate) fn meant(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let first = arguments.get(1).and_then(|first| first.to_str());
    let known = match first {
        None => arguments.len() < 2,
        Some("-h" | "--help" | "-V" | "--version") => true,
        Some(name) => command().get_subcommands().any(|command| command.get_name() == name),
    };
    if !known {
        arguments.insert(1, "read".into());
    }
    arguments
}

/// The selectors of a command line, for tests.
#[cfg(test)]
pub(crate) fn selectors(arguments: &[&str]) -> Result<Selectors, clap::Error> {
    let all = ["whohungup", "read", "x.pcap"].iter().chain(arguments);
    match Cli::try_parse_from(all)?.command {
        Command::Read(read) => Ok(read.selectors),
        other => panic!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_gets_its_manual_page_and_its_line_in_the_readme() {
        for command in command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            let pages = include_str!("../../Makefile").lines().find_map(|line| line.trim().strip_prefix("for command in ")).unwrap();
            assert!(pages.split([' ', ';']).any(|page| page == name), "make install makes no page of {name}");
            let lines = include_str!("../../README.md").lines().filter(|line| line.starts_with('|') && line.contains(" | "));
            let told =
                lines.filter(|line| line.contains(&format!("whohungup {name}")) || (name == "read" && line.contains("short for `read`")));
            assert!(told.count() > 0, "{name}");
        }
    }

    #[test]
    fn a_file_alone_is_read() {
        let meant = |arguments: &[&str]| meant(arguments.iter().map(OsString::from).collect()).join(std::ffi::OsStr::new(" "));
        assert_eq!(meant(&["w", "a.pcap", "--all"]), "w read a.pcap --all");
        assert_eq!(meant(&["w", "--all", "a.pcap"]), "w read --all a.pcap");
        assert_eq!(meant(&["w", "-"]), "w read -");
        assert_eq!(meant(&["w", "show", "a.pcap"]), "w show a.pcap");
        assert_eq!(meant(&["w", "live"]), "w live");
        assert_eq!(meant(&["w", "--help"]), "w --help");
        assert_eq!(meant(&["w"]), "w");
    }

    #[test]
    fn reads_time_spans() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("10m", 600), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(lasting(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "0", "-1", "1.5h", "1w", "99999999999", "1 h"] {
            assert!(lasting(text).is_err(), "{text}");
        }
    }
}
