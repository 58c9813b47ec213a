//! Why a live capture cannot begin or go on, one clear line each.

use crate::base::printable;
use crate::capture::DevicesError;

/// Why an interface cannot be captured on, or no longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// This user may not capture.
    #[error("no permission to capture")]
    NotPermitted,
    /// There is no interface to capture on.
    #[error("no interface is up; name one with -i ('whohungup interfaces' lists them)")]
    NoInterface,
    /// There is no such interface.
    #[error("there is no interface '{}'; 'whohungup interfaces' lists them", printable(.0, 60))]
    NoSuchInterface(String),
    /// The filter makes no sense on this interface.
    #[error("filter '{}' on {}: {reason}", printable(.filter, 200), printable(.interface, 60))]
    Filter {
        /// The filter.
        filter: String,
        /// The interface.
        interface: String,
        /// libpcap's reason.
        reason: String,
    },
    /// The interface was removed while it was captured on.
    #[error("{} is gone: it was removed; start again when it is back, or capture on '{}', which outlives its interfaces", printable(.0, 60), super::ANY)]
    Gone(String),
    /// libpcap failed.
    #[error("cannot capture on {}: {reason}", printable(.interface, 60))]
    Failed {
        /// The interface.
        interface: String,
        /// libpcap's reason.
        reason: String,
    },
}

impl LiveError {
    /// libpcap's `reason` for failing on `interface`. It words what went wrong by the system call that failed.
    pub(super) fn translated(interface: &str, reason: &str) -> LiveError {
        let lower = reason.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if says(&["not permitted", "permission"]) {
            LiveError::NotPermitted
        } else if says(&["disappeared", "no longer attached"]) {
            LiveError::Gone(interface.to_owned())
        } else if says(&["no such device", "not configured", "doesn't exist"]) {
            LiveError::NoSuchInterface(interface.to_owned())
        } else {
            LiveError::Failed { interface: interface.to_owned(), reason: reason.to_owned() }
        }
    }
}

impl From<DevicesError> for LiveError {
    fn from(error: DevicesError) -> LiveError {
        match error {
            DevicesError::NotPermitted => LiveError::NotPermitted,
            DevicesError::Failed(reason) => LiveError::Failed { interface: "any interface".to_owned(), reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libpcap_s_reasons_are_told_apart() {
        let of = |reason| LiveError::translated("eth7", reason);
        assert_eq!(of("socket: Operation not permitted"), LiveError::NotPermitted);
        assert_eq!(of("eth7: You don't have permission to perform this capture on that device"), LiveError::NotPermitted);
        assert_eq!(of("eth7: No such device exists (SIOCGIFHWADDR: No such device)"), LiveError::NoSuchInterface("eth7".to_owned()));
        assert_eq!(of("The interface disappeared"), LiveError::Gone("eth7".to_owned()));
        assert_eq!(of("recvfrom: Bad address").to_string(), "cannot capture on eth7: recvfrom: Bad address");
    }

    #[test]
    fn names_are_shown_escaped() {
        assert!(!LiveError::NoSuchInterface("a\x1b[31m".to_owned()).to_string().contains('\x1b'));
    }
}
