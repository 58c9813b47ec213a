//! Live capture with libpcap: opening an interface, its frames, its losses, and a clock that does not jump.

mod clock;
mod error;
#[cfg(target_os = "linux")]
mod route;

use std::collections::HashSet;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::net::if_::InterfaceFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pcap::{Active, Capture, Linktype, Precision};

use self::clock::{Clocks, Steady};
pub use self::error::LiveError;
use super::interfaces::{Device, devices, reason};
use crate::base::{At, Frame, LinkType, Span, Time};

/// Every interface of the host at once.
pub const ANY: &str = "any";
/// What is captured unless asked otherwise: what the analysis looks at, in up to two VLAN tags. (`vlan` moves all offsets after it.)
const FILTER: &str = "(tcp or icmp or icmp6) or (vlan and (tcp or icmp or icmp6)) or (vlan and (tcp or icmp or icmp6))";
/// The same for link types without VLAN tags.
const FILTER_UNTAGGED: &str = "tcp or icmp or icmp6";
/// How long the kernel gathers packets before it hands them over, in milliseconds. Shorter means more work for each packet.
const GATHER: i32 = 100;
/// Packets can wait this long, in the kernel and here: what was captured longer ago than this has been handed out, if nothing waits.
const SETTLED: Span = Span::from_millis(500);

/// What to capture, and how.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// The interface; `None`: that of the default route, or else the first one that is up.
    pub interface: Option<String>,
    /// A capture filter (`pcap-filter(7)`); `None`: TCP and ICMP, tagged or not.
    pub filter: Option<String>,
    /// Bytes kept of each packet.
    pub snaplen: u32,
    /// The kernel's buffer, in bytes.
    pub buffer: u32,
    /// Also what is not addressed to this host.
    pub promiscuous: bool,
}

/// An interface being captured on.
pub struct LiveCapture {
    handle: Capture<Active>,
    interface: String,
    link: LinkType,
    /// The interface's own address, where frames have one.
    mac: Option<[u8; 6]>,
    clock: Steady,
    frames: u64,
    /// The counts of the kernel and of the interface when last asked; both run over.
    dropped: (u32, u32),
}

impl LiveCapture {
    /// Starts to capture. This takes rights; nothing after it does.
    ///
    /// # Errors
    ///
    /// There is no such interface, this user may not capture, the filter makes no sense on it, or libpcap fails.
    pub fn open(options: &LiveOptions) -> Result<LiveCapture, LiveError> {
        let interface = match &options.interface {
            Some(name) => name.clone(),
            None => default_interface()?,
        };
        let failed = |error| LiveError::translated(&interface, &reason(error));
        let inactive = Capture::from_device(interface.as_str()).map_err(failed)?;
        let capture = inactive
            // libpcap cannot do this on all interfaces at once.
            .promisc(options.promiscuous && interface != ANY)
            .snaplen(i32::try_from(options.snaplen).unwrap_or(i32::MAX))
            .timeout(GATHER)
            .buffer_size(i32::try_from(options.buffer).unwrap_or(i32::MAX))
            .precision(Precision::Nano);
        let mut handle = capture.open().map_err(failed)?;
        if interface == ANY {
            // It tells the interface of each packet, and its direction; where it is missing, the first version has the direction.
            let _ = handle.set_datalink(Linktype(i32::from(LinkType::LINUX_SLL2.0)));
        }
        let filtered = match &options.filter {
            Some(filter) => handle.filter(filter, true),
            None => handle.filter(FILTER, true).or_else(|_| handle.filter(FILTER_UNTAGGED, true)),
        };
        filtered.map_err(|error| LiveError::Filter {
            filter: options.filter.clone().unwrap_or_default(),
            interface: interface.clone(),
            reason: reason(error),
        })?;
        let link = LinkType(u16::try_from(handle.get_datalink().0).unwrap_or(u16::MAX));
        let handle = handle.setnonblock().map_err(failed)?;
        let mac = if link == LinkType::ETHERNET { state(&interface).and_then(|state| state.mac) } else { None };
        Ok(LiveCapture { handle, interface, link, mac, clock: Steady::new(Clocks::read()), frames: 0, dropped: (0, 0) })
    }

    /// The interface captured on.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The link type of its frames.
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The next frame; `None`: none waits now.
    ///
    /// # Errors
    ///
    /// The interface is gone, or libpcap fails.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, LiveError> {
        let packet = match self.handle.next_packet() {
            Ok(packet) => packet,
            Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) => return Ok(None),
            Err(error) => return Err(LiveError::translated(&self.interface, &reason(error))),
        };
        self.frames += 1;
        let stamp = packet.header.ts;
        // With Precision::Nano the field for microseconds holds nanoseconds.
        let nanos = stamp.tv_sec.saturating_mul(1_000_000_000).saturating_add(stamp.tv_usec);
        let time = self.clock.stamped(nanos, Clocks::read);
        Ok(Some(Frame {
            at: At::new(Time::from_nanos(time), u32::try_from(self.frames).unwrap_or(u32::MAX), 0),
            link: self.link,
            wire_len: packet.header.len,
            interface: 0,
            outgoing: self.mac.and_then(|mac| outgoing(packet.data, mac)),
            data: packet.data,
        }))
    }

    /// Waits until there may be a frame, at most for `longest`.
    pub fn wait(&self, longest: Duration) {
        let mut waiting = [PollFd::new(self.handle.as_fd(), PollFlags::POLLIN)];
        // A signal may end it sooner.
        let _ = poll(&mut waiting, PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX));
        if !waiting.iter().any(|fd| fd.revents().is_some_and(|found| found.contains(PollFlags::POLLIN))) {
            return;
        }
        // While an interface is down, its socket is ready with nothing to read.
        if waiting.iter().any(|fd| fd.revents().is_some_and(|found| found.intersects(PollFlags::POLLERR | PollFlags::POLLHUP))) {
            std::thread::sleep(longest.min(Duration::from_millis(10)));
        }
    }

    /// The time now, as frames are stamped.
    pub fn now(&mut self) -> Time {
        Time::from_nanos(self.clock.now(Clocks::read()))
    }

    /// The time up to which all frames have been handed out, if none waits.
    pub fn settled(&mut self) -> Time {
        self.now().plus(Span::from_nanos(-SETTLED.nanos()))
    }

    /// How long ago `time` was.
    pub fn age(&mut self, time: Time) -> Span {
        self.now().since(time)
    }

    /// Leaves what still waits. How many frames that are, of those captured until `until`.
    pub fn leave(&mut self, until: Time) -> u64 {
        let (before, mut left) = (self.frames, 0);
        while let Ok(Some(frame)) = self.next_frame()
            && frame.at.time <= until
        {
            left += 1;
        }
        self.frames = before;
        left
    }

    /// How far the system's clock was set since the last call, if it was. Frames go on being stamped as if it had not been.
    pub fn clock_set(&mut self) -> Option<Span> {
        self.clock.look(Clocks::read());
        self.clock.take_step().map(Span::from_nanos)
    }

    /// Packets lost since the last call: by the kernel for lack of buffer, and by the interface.
    pub fn lost(&mut self) -> u64 {
        let Ok(counts) = self.handle.stats() else { return 0 };
        let (kernel, interface) = self.dropped;
        self.dropped = (counts.dropped, counts.if_dropped);
        u64::from(counts.dropped.wrapping_sub(kernel)) + u64::from(counts.if_dropped.wrapping_sub(interface))
    }

    /// Whether the interface is up; `None` where that has no meaning or cannot be known.
    pub fn is_up(&self) -> Option<bool> {
        if self.interface == ANY { None } else { state(&self.interface).map(|state| state.up) }
    }
}

/// Whether the host itself sent an Ethernet frame, by the addresses in it.
fn outgoing(frame: &[u8], own: [u8; 6]) -> Option<bool> {
    let (to, rest) = frame.split_first_chunk::<6>()?;
    if rest.first_chunk::<6>() == Some(&own) {
        return Some(true);
    }
    (*to == own).then_some(false)
}

/// The addresses of this host. They may change.
pub fn own_addresses() -> HashSet<IpAddr> {
    let Ok(addresses) = nix::ifaddrs::getifaddrs() else { return HashSet::new() };
    let ips = addresses.filter_map(|address| {
        let address = address.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    });
    ips.collect()
}

/// An interface as the kernel describes it.
struct State {
    up: bool,
    mac: Option<[u8; 6]>,
}

fn state(interface: &str) -> Option<State> {
    let mut found: Option<State> = None;
    for address in nix::ifaddrs::getifaddrs().ok()?.filter(|address| address.interface_name == interface) {
        let state = found.get_or_insert(State { up: address.flags.contains(InterfaceFlags::IFF_UP), mac: None });
        state.mac = state.mac.or_else(|| mac(&address));
    }
    found
}

#[cfg(target_os = "linux")]
fn mac(address: &nix::ifaddrs::InterfaceAddress) -> Option<[u8; 6]> {
    // Loopback's is all zeros, and says nothing of direction.
    address.address.as_ref()?.as_link_addr()?.addr().filter(|mac| *mac != [0; 6])
}

#[cfg(not(target_os = "linux"))]
fn mac(_: &nix::ifaddrs::InterfaceAddress) -> Option<[u8; 6]> {
    None
}

/// The interface of the default route, or else the first one that is up and has a link.
fn default_interface() -> Result<String, LiveError> {
    #[cfg(target_os = "linux")]
    if let Some(name) = route::default_interface() {
        return Ok(name);
    }
    let devices = devices()?;
    let usable = |device: &&Device| device.running && !device.loopback && !device.addresses.is_empty();
    let found = devices.iter().find(usable).or_else(|| devices.iter().find(|device| device.loopback && device.up));
    found.map(|device| device.name.clone()).ok_or(LiveError::NoInterface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direction_goes_by_the_interface_s_own_address() {
        let own = [2, 0, 0, 0, 0, 1];
        let frame = |to: u8, from: u8| [2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0];
        assert_eq!(outgoing(&frame(9, 1), own), Some(true));
        assert_eq!(outgoing(&frame(1, 9), own), Some(false));
        assert_eq!(outgoing(&frame(8, 9), own), None, "overheard");
        assert_eq!(outgoing(&frame(1, 1)[..11], own), Some(false), "cut short");
        assert_eq!(outgoing(&[], own), None);
    }

    #[test]
    fn the_filters_compile() {
        let compiles = |filter: &str, link| Capture::dead(Linktype(link)).unwrap().compile(filter, true).is_ok();
        assert!(compiles(FILTER, 1));
        assert!(compiles(FILTER_UNTAGGED, 1) && compiles(FILTER_UNTAGGED, 12) && compiles(FILTER_UNTAGGED, 276));
    }
}
