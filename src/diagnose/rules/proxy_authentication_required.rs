//! proxy-authentication-required: the proxy demanded a login and the client never gave a valid one.
//!
//! # What it means
//!
//! The client's CONNECT was answered with 407, and no later CONNECT succeeded: the client sent no credentials, wrong ones, or cannot speak
//! the scheme that the proxy offers. The proxy does what it should, so the fault is `client`: its configuration. A 407 followed by a
//! CONNECT that succeeds is the normal way of Negotiate and NTLM, and is no finding. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `java.io.IOException: Unable to tunnel through proxy. Proxy returns "HTTP/1.1 407 Proxy Authentication Required"`;
//!   `HttpClient` status 407 or `IOException: Tunnel failed, got: 407`.
//! - Client, curl: `curl: (56) CONNECT tunnel failed, response 407`, older `Received HTTP code 407 from proxy after CONNECT`; SOCKS5
//!   `User was rejected by the SOCKS5 server`.
//! - Client, Python: `OSError: Tunnel connection failed: 407 Proxy Authentication Required`; pip and requests `ProxyError`.
//! - Client, Go: `Proxy Authentication Required`; Node, npm `tunneling socket could not be established, statusCode=407`; git
//!   `CONNECT tunnel failed, response 407`; docker `Proxy Authentication Required`.
//! - Client, GnuTLS's wget: `Proxy tunneling failed: Proxy Authentication Required`; .NET
//!   `The proxy tunnel request ... failed with status code '407'` (Core 3.1 hands the 407 on as the answer); rustls programs
//!   `tunnel error: proxy authorization required` (reqwest), `proxy server responded 407` (ureq); OpenSSL 1.1.1 s_client
//!   `HTTP CONNECT failed: 407`; Chrome `ERR_PROXY_AUTH_REQUESTED` or a login window, Firefox a login window, dismissed
//!   `NS_ERROR_PROXY_CONNECTION_REFUSED`.
//! - nginx and HAProxy never go through a CONNECT proxy. Proxy: Squid `TCP_DENIED/407` (also for the harmless first step); Apache as a
//!   proxy: status 407 in its access log (often).
//! - Server: nothing.
//!
//! # Why it happens
//!
//! - No credentials: a service account, container or daemon without the user's login; `HTTPS_PROXY` without user and password.
//! - Expired or changed password, locked account; special characters in the URL not percent-encoded.
//! - Java since 8u111 refuses Basic for HTTPS tunnels: `jdk.http.auth.tunneling.disabledSchemes=Basic` is the default.
//! - The proxy offers only Negotiate or NTLM and the program speaks neither (Go, Node, Python `requests` without a plug-in).
//! - Kerberos: no ticket, wrong SPN, clock skew, proxy called by IP address.
//!
//! # What to do
//!
//! - **Client**: `HTTPS_PROXY=http://user:p%40ss@proxy:3128`; curl `--proxy-user`, `--proxy-negotiate -U :`, `--proxy-ntlm`; Java an
//!   `Authenticator` plus `-Djdk.http.auth.tunneling.disabledSchemes=""` when Basic is meant; for programs without NTLM or Kerberos a local
//!   helper (`cntlm`, `px`).
//! - **Client, Kerberos**: `klist`, `kinit`; call the proxy by the name in its SPN (`HTTP/proxy.corp.example`); check the clock.
//! - **Proxy**: exempt machines that cannot log in by address (Squid `http_access allow` above `auth_param` rules); offer Basic or Digest
//!   beside Negotiate if policy permits.
//! - **Server**: nothing. **Network**: nothing.
//! - Verify: `curl -v -x http://proxy:3128 https://host/` and read `Proxy-Authenticate:` in the 407. Filter:
//!   `http.response.code == 407 || http.proxy_authenticate || http.request.method == "CONNECT"`. Basic credentials in `Proxy-Authorization`
//!   can be read in the capture; change them before it is passed on.
//!
//! # How sure
//!
//! - Certain: the 407 and that no CONNECT of this connection (or of its successor) succeeded.
//! - The normal flow: 407, then the same CONNECT with a token, once or twice, then 200, often on the same TCP connection. Some proxies
//!   close after each 407, so the next connection counts too.
//! - A capture that ends between 407 and the next try shows a failure that is none; then the confidence is capped.
//! - Not decidable: why the credentials were refused; the proxy does not say.
//! - What decides: the proxy's or the directory's log.
//!
//! # References
//!
//! - RFC 9110 sections 11.7 and 15.5.8; RFC 4559 (Negotiate); RFC 1929 (SOCKS5 user name and password).
//! - Oracle JDK 8u111 release notes: `jdk.http.auth.tunneling.disabledSchemes`. Squid `auth_param`; curl `--proxy-negotiate`.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::prelude::Refusal;
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "proxy-authentication-required",
    group: Group::BeforeTls,
    summary: "the proxy wants credentials and never got any it accepts",
    usual_fault: "client",
    endings: Ending::ALL,
    phases: &[Phase::Tunneling],
    source: include_str!("proxy_authentication_required.rs"),
    yields_to: &[],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let story = session.tunnel()?;
    if session.phase != Phase::Tunneling {
        return None;
    }
    let refusal = common::refused(session, story).filter(|refusal| refusal.why == Refusal::Authentication)?;
    Some(
        Reading::new(
            Fault::Client,
            Confidence::Likely,
            Impact::SessionFailed,
            format!("the proxy wants authentication for the tunnel to {}, and none that it accepts came", common::target(story)),
        )
        .cite(tell::saw(refusal.at, Side::Server, format!("the proxy's answer: {}", refusal.line)))
        .rule_out(Fault::Network, "the proxy answered")
        .or(
            Fault::None,
            "proxy-authentication-required",
            "the first step of a Negotiate or NTLM exchange that goes on in another connection",
            "look for a later tunnel of the same client that succeeds",
        )
        .advise("Give the client credentials for the proxy (HTTPS_PROXY=http://user:password@host:port, or the tool's own setting).")
        .advise("Java: Basic for tunnels is off by default; -Djdk.http.auth.tunneling.disabledSchemes= turns it on."),
    )
}
