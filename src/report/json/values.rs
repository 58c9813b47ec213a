//! Values that are written in a form of their own: times, what can be shown, lists.

use std::fmt::Display;

use serde::{Serialize, Serializer};

use crate::base::Time;
use crate::report::{Context, time};

/// A time, as RFC 3339 writes it.
pub(super) struct Stamp(pub(super) Time);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(time::Stamp::new(self.0).as_str())
    }
}

/// Anything that can be shown, as text, without a string in between.
pub(super) struct Shown<T>(pub(super) T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A list, each of its items turned into its JSON type while it is written.
pub(super) struct Each<'a, T, J>(pub(super) &'a [T], pub(super) &'a Context, pub(super) fn(&'a T, &'a Context) -> J);

impl<T, J: Serialize> Serialize for Each<'_, T, J> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Each(items, context, json) = *self;
        serializer.collect_seq(items.iter().map(|item| json(item, context)))
    }
}
