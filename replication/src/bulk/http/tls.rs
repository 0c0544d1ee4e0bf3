//! Which cryptography `https` uses.

use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use super::base_url::BaseUrl;
use crate::bulk::error::BulkError;

type Builder = ConfigBuilder<AgentScope>;

const fn refused() -> BulkError {
    BulkError::InvalidOption {
        option: "address",
        reason: "https needs the feature `https`, and a processor with AES or a default provider for rustls",
    }
}

/// Without the feature there is no TLS.
#[cfg(not(feature = "https"))]
pub(super) fn configure(config: Builder, base: &BaseUrl) -> Result<Builder, BulkError> {
    if base.is_https() {
        return Err(refused());
    }
    Ok(config)
}

/// The provider that the application chose for all of its process, so that it has one; else the one that comes along.
#[cfg(feature = "https")]
pub(super) fn configure(config: Builder, base: &BaseUrl) -> Result<Builder, BulkError> {
    use rustls::crypto::CryptoProvider;
    use ureq::tls::TlsConfig;

    if !base.is_https() {
        return Ok(config);
    }
    let chosen = CryptoProvider::get_default().cloned();
    let provider = chosen.or_else(own_provider).ok_or_else(refused)?;
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
    Ok(config.tls_config(tls.build()))
}

#[cfg(feature = "https")]
fn own_provider() -> Option<std::sync::Arc<rustls::crypto::CryptoProvider>> {
    // It panics on a processor that lacks these, so it is not asked there.
    #[cfg(target_arch = "x86_64")]
    let is_able = std::arch::is_x86_feature_detected!("adx")
        && std::arch::is_x86_feature_detected!("aes")
        && std::arch::is_x86_feature_detected!("avx")
        && std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("bmi1")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("pclmulqdq")
        && std::arch::is_x86_feature_detected!("ssse3");
    #[cfg(target_arch = "aarch64")]
    let is_able = std::arch::is_aarch64_feature_detected!("neon")
        && std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull")
        && std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    return is_able.then(|| std::sync::Arc::new(rustls_graviola::default_provider()));
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    None
}

#[cfg(all(test, feature = "https"))]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_https_is_taken_where_the_processor_can() {
        let base = BaseUrl::parse("https://ipfs.io").unwrap();
        let configured = configure(ureq::Agent::config_builder(), &base);
        let is_able = own_provider().is_some();
        assert_eq!(configured.is_ok(), is_able);
    }
}
