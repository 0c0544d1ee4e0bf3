//! Who a peer is: sessions of a connection, each of one profile, opened by proof of membership.
//!
//! [`Sessions`] stands between the frames of one stream and the machines of the profiles. A session begins with four
//! messages: the opener names a profile in a form that only who knows the profile can read, is given a nonce, proves to be
//! a device of the profile, and is shown the same proof by the other side. A stranger gets a nonce and a refusal, the same
//! whether the profile is here or not; nothing else of a session is taken or given before both proofs were checked.
//!
//! What is signed binds both nonces, the two ends of the connection and who opened, so that a proof is good for one end of
//! one session. Signing and checking are asked of the driver, for they need the store; randomness is given once, at the
//! start.

mod binding;
mod machine;

#[cfg(test)]
mod tests;

pub use binding::{ConnectionBinding, Side};
pub use machine::{Event, Output, Sessions, SessionsConfig};
