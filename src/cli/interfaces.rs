//! `interfaces`: what can be captured on.

use crate::cli::Console;
use crate::cli::args::Looks;

/// Runs the command; the exit status.
#[cfg(feature = "live")]
pub(super) fn interfaces(looks: &Looks, console: &mut Console<'_>) -> anyhow::Result<u8> {
    use crate::base::printable;
    use crate::capture::devices;
    use crate::report::blocks::{Block, terminal};

    let mut page = Vec::new();
    for device in devices()? {
        let mut facts: Vec<String> = device.addresses.iter().map(ToString::to_string).collect();
        facts.extend(device.description.as_deref().map(|text| printable(text, 120)));
        if !device.running {
            facts.push(if device.up { "no link" } else { "down" }.to_owned());
        }
        page.push(Block::Pair(printable(&device.name, 60), facts.join(", ")));
    }
    anyhow::ensure!(!page.is_empty(), "no interface to capture on; capturing takes rights: run it with sudo");
    let text = terminal(&page, console.columns, console.paint(looks));
    console.out.write_all(text.as_bytes())?;
    Ok(super::RAN)
}

/// Runs the command in a build that cannot.
#[cfg(not(feature = "live"))]
pub(super) fn interfaces(_: &Looks, _: &mut Console<'_>) -> anyhow::Result<u8> {
    anyhow::bail!("interfaces needs libpcap, and this build has none: it was made without the feature 'live'")
}
