//! What can be captured on: the host's network interfaces, from libpcap.

use std::net::IpAddr;

/// A network interface of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The name to capture on it by.
    pub name: String,
    /// What libpcap says of it.
    pub description: Option<String>,
    /// Its IP addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it is up.
    pub up: bool,
    /// Whether it is running: up, and with a link.
    pub running: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
}

/// Why the interfaces cannot be listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DevicesError {
    /// This user may not capture.
    #[error("no permission to capture: run it with sudo, or give the program the right once: setcap cap_net_raw,cap_net_admin=eip PROGRAM")]
    NotPermitted,
    /// libpcap failed.
    #[error("cannot list the network interfaces: {0}")]
    Failed(String),
}

/// The host's network interfaces, in libpcap's order (the likeliest first).
///
/// # Errors
///
/// libpcap cannot list them, or this user may not.
pub fn devices() -> Result<Vec<Device>, DevicesError> {
    let listed = pcap::Device::list().map_err(|error| translated(reason(error)))?;
    Ok(listed.into_iter().map(device).collect())
}

fn device(device: pcap::Device) -> Device {
    Device {
        name: device.name,
        description: device.desc,
        addresses: device.addresses.iter().map(|address| address.addr).collect(),
        up: device.flags.is_up(),
        running: device.flags.is_running(),
        loopback: device.flags.is_loopback(),
    }
}

/// libpcap words a lack of rights by the system call that failed.
fn translated(reason: String) -> DevicesError {
    let lower = reason.to_ascii_lowercase();
    if lower.contains("not permitted") || lower.contains("permission") { DevicesError::NotPermitted } else { DevicesError::Failed(reason) }
}

/// libpcap's own words, in one line.
pub(super) fn reason(error: pcap::Error) -> String {
    let text = match error {
        pcap::Error::PcapError(text) => text,
        other => other.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_rights_is_told_apart() {
        assert_eq!(translated("socket: Operation not permitted".to_owned()), DevicesError::NotPermitted);
        assert_eq!(translated("(cannot open BPF device) /dev/bpf0: Permission denied".to_owned()), DevicesError::NotPermitted);
        assert_eq!(translated("out of memory".to_owned()), DevicesError::Failed("out of memory".to_owned()));
    }

    #[test]
    fn this_host_has_a_loopback_interface() {
        let devices = devices().unwrap();
        let loopback = devices.iter().find(|device| device.loopback).unwrap();
        assert!(loopback.addresses.iter().all(IpAddr::is_loopback), "{loopback:?}");
    }
}
