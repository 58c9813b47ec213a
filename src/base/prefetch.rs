//! Asks the processor for memory that will be needed soon.

use prefetch_index::prefetch_index;

/// Has the line of memory in which `what` begins brought into the caches, without waiting for it. It changes no result; on processors for
/// which Rust has no such instruction it does nothing.
#[inline]
pub fn prefetch<T>(what: &T) {
    prefetch_index(std::slice::from_ref(what), 0);
}
