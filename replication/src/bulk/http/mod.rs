//! IPFS over HTTP: a node that is ours to write to, and gateways of strangers to read from.

mod authorization;
mod base_url;
mod client;
mod gateway;
mod kubo;
mod multipart;
mod tls;

pub use authorization::Authorization;
pub use base_url::BaseUrl;
pub use gateway::Gateway;
pub use kubo::KuboNode;
