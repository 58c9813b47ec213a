//! Signals: an orderly end, a hard one, and a log to be opened again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// What has been signalled.
pub(super) struct Signals {
    stop: Arc<AtomicBool>,
    reopen: Arc<AtomicBool>,
}

impl Signals {
    /// Catches the signals that ask for an end: the first begins an orderly one, a second of the same ends at once. SIGHUP opens the log
    /// again where there is one, and else means that the terminal has gone.
    pub(super) fn catch(has_log: bool) -> io::Result<Signals> {
        /// What a shell reports of a program that a signal ended: 128, and the signal.
        const ENDED_BY: i32 = 128;
        let signals = Signals { stop: Arc::default(), reopen: Arc::default() };
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, ENDED_BY + signal, Arc::clone(&signals.stop))?;
            flag::register(signal, Arc::clone(&signals.stop))?;
        }
        flag::register(SIGHUP, Arc::clone(if has_log { &signals.reopen } else { &signals.stop }))?;
        Ok(signals)
    }

    /// An end was asked for.
    pub(super) fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The log is to be opened again; asked once.
    pub(super) fn reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::Relaxed)
    }
}
