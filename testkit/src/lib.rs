#![doc = include_str!("../README.md")]

mod arrivals;
pub mod crash;
pub mod disk;
pub mod http;
pub mod network;
mod rng;
mod wallet;

pub use arrivals::{Arrival, ArrivalOptions, Arrivals, Blocks};
pub use rng::Rng;
pub use wallet::Wallet;
