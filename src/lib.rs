//! Who hung up? Reads packets, rebuilds TCP flows, decodes TLS records and says of every TLS session how it ended, who ended it,
//! whose fault that was, how sure that is, and which frames prove it.

pub mod analyze;
pub mod base;
pub mod capture;
pub mod cli;
pub mod decode;
pub mod diagnose;
pub mod prelude;
pub mod report;
pub mod session;
pub mod tcp;
pub mod tls;
