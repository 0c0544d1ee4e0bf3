//! The profile: an application's keys and values, replicated between the devices of one wallet.
//!
//! So far this holds the parts that need no store: names of values ([`keys`]), sealing ([`sealed`]), the envelope of
//! an entry ([`envelope`]) and the rules by which two versions of one value become one ([`merge`]). They are pure:
//! bytes and values go in, values or a typed error come out; time and randomness are passed in by the caller. The
//! store does not use them yet: there are no commits, no map and no replication in this version.

pub mod envelope;
pub mod keys;
pub mod merge;
pub mod sealed;
