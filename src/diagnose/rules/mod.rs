//! The registry of causes: one file each, its manual page on top. To add one, write the file and name it here.

pub mod alpn_mismatch;
pub mod backend_down_behind_proxy;
pub mod capture_incomplete;
pub mod certificate_expired;
pub mod certificate_rejected;
pub mod certificate_untrusted;
pub mod cipher_mismatch;
pub mod clean_close;
pub mod client_aborted_transfer;
pub mod client_certificate_rejected;
pub mod client_certificate_required;
pub mod client_closed_in_handshake;
pub mod client_closed_without_close_notify;
pub mod client_gave_up_waiting;
pub mod client_not_tls;
pub mod client_reset;
pub mod client_reset_in_handshake;
pub mod client_truncated_record;
pub mod common;
pub mod connection_refused;
pub mod connection_timeout;
pub mod fatal_alert;
pub mod firewall_rejected;
pub mod handshake_rejected;
pub mod injected_reset;
pub mod keepalive_race;
pub mod large_client_hello_dropped;
pub mod middlebox_idle_timeout;
pub mod parallel_attempt;
pub mod path_black_hole;
pub mod path_mtu_black_hole;
pub mod probe;
pub mod protocol_version_mismatch;
pub mod proxy_authentication_required;
pub mod proxy_refused_tunnel;
pub mod proxy_tunnel_cut;
pub mod proxy_upstream_failed;
pub mod record_corruption;
pub mod server_closed_in_handshake;
pub mod server_closed_without_close_notify;
pub mod server_idle_timeout;
pub mod server_not_tls;
pub mod server_process_died;
pub mod server_reset;
pub mod server_reset_in_handshake;
pub mod server_truncated_record;
pub mod server_unresponsive;
pub mod sni_rejected;
pub mod starttls_refused;
pub mod still_open;
pub mod tls_interception;
pub mod unexplained;
pub mod unreachable;
pub mod zero_window_stall;

use std::sync::LazyLock;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

pub use crate::diagnose::rule::Rule;
use crate::session::{Ending, Phase};

/// Every cause, in the order of the manual. The order does not decide between rules: `yields_to` does.
pub static ALL: &[&Rule] = &[
    &clean_close::RULE,
    &client_closed_without_close_notify::RULE,
    &client_aborted_transfer::RULE,
    &probe::RULE,
    &parallel_attempt::RULE,
    &keepalive_race::RULE,
    &still_open::RULE,
    &capture_incomplete::RULE,
    &connection_refused::RULE,
    &connection_timeout::RULE,
    &firewall_rejected::RULE,
    &unreachable::RULE,
    &proxy_refused_tunnel::RULE,
    &proxy_authentication_required::RULE,
    &proxy_upstream_failed::RULE,
    &starttls_refused::RULE,
    &proxy_tunnel_cut::RULE,
    &protocol_version_mismatch::RULE,
    &cipher_mismatch::RULE,
    &certificate_expired::RULE,
    &certificate_untrusted::RULE,
    &certificate_rejected::RULE,
    &tls_interception::RULE,
    &client_certificate_required::RULE,
    &client_certificate_rejected::RULE,
    &sni_rejected::RULE,
    &alpn_mismatch::RULE,
    &handshake_rejected::RULE,
    &server_closed_in_handshake::RULE,
    &server_reset_in_handshake::RULE,
    &client_closed_in_handshake::RULE,
    &client_reset_in_handshake::RULE,
    &server_unresponsive::RULE,
    &backend_down_behind_proxy::RULE,
    &server_closed_without_close_notify::RULE,
    &server_idle_timeout::RULE,
    &client_gave_up_waiting::RULE,
    &server_truncated_record::RULE,
    &server_process_died::RULE,
    &server_reset::RULE,
    &client_truncated_record::RULE,
    &client_reset::RULE,
    &path_black_hole::RULE,
    &fatal_alert::RULE,
    &record_corruption::RULE,
    &server_not_tls::RULE,
    &client_not_tls::RULE,
    &zero_window_stall::RULE,
    &injected_reset::RULE,
    &middlebox_idle_timeout::RULE,
    &path_mtu_black_hole::RULE,
    &large_client_hello_dropped::RULE,
    &unexplained::RULE,
];

/// The cause of that name.
pub fn find(slug: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| rule.slug == slug)
}

/// The causes that [`Rule::concerns`] a session of that phase and ending, in their order: a quarter of all, where the session ended well.
pub fn concerning(phase: Phase, ending: Ending) -> &'static [&'static Rule] {
    type Concerned = HashMap<(Phase, Ending), Vec<&'static Rule>, RandomState>;
    static CONCERNED: LazyLock<Concerned> = LazyLock::new(|| {
        let kinds = Phase::ALL.iter().flat_map(|phase| Ending::ALL.iter().map(|ending| (*phase, *ending)));
        kinds.map(|kind| (kind, ALL.iter().copied().filter(|rule| rule.concerns(kind.0, kind.1)).collect())).collect()
    });
    CONCERNED.get(&(phase, ending)).map_or(&[], Vec::as_slice)
}
