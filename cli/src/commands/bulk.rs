//! Where bundles are fetched from and stored, as a person names it.

use std::path::Path;

use cid::Cid;
use serde_json::{Value, json};
use uxf_engine::bundles::parse_cid;
use uxf_replication::bulk::{
    Attempt, Authorization, BulkError, BulkLimits, BulkStore, FetchOptions, Gateway, KuboNode,
    ObjectBlocks, Patience,
};

use crate::args::Places;
use crate::failure::{Failure, chain};

/// Most of a file with a token or a password that is read, in bytes.
const SECRET_BYTES_MAX: u64 = 8_192;

impl Places {
    /// The caps of the reference, and the time that the person gives.
    pub(super) fn limits(&self) -> BulkLimits {
        let time = core::time::Duration::from_secs(self.timeout);
        BulkLimits {
            fetch_time: time,
            fetch_time_total: time * 4,
            put_time: time * 2,
            ..BulkLimits::REFERENCE
        }
    }

    pub(super) fn fetch_options(&self) -> FetchOptions {
        FetchOptions::new()
            .limits(self.limits())
            .patience(self.patience())
    }

    fn patience(&self) -> Patience {
        let patience = Patience::default();
        if self.no_retry {
            patience.delays([])
        } else {
            patience
        }
    }

    /// Nodes and directories, which can be written to.
    pub(super) fn writable(&self) -> Result<Vec<Box<dyn BulkStore>>, Failure> {
        let mut stores: Vec<Box<dyn BulkStore>> = Vec::new();
        for directory in &self.dir {
            let store = ObjectBlocks::directory(directory)
                .map_err(|error| Failure::from(&error).about(directory.display()))?;
            stores.push(Box::new(
                store.limits(self.limits()).patience(self.patience()),
            ));
        }
        for address in &self.api {
            let node = KuboNode::new(address, self.authorization()?, self.limits())
                .map_err(|error| Failure::from(&error).about("--api"))?;
            stores.push(Box::new(node.patience(self.patience())));
        }
        Ok(stores)
    }

    /// All of them, directories first. A directory that is not there is not made.
    pub(super) fn readable(&self) -> Result<Vec<Box<dyn BulkStore>>, Failure> {
        if let Some(missing) = self.dir.iter().find(|directory| !directory.is_dir()) {
            return Err(Failure::new("there is no such directory").about(missing.display()));
        }
        let mut stores = self.writable()?;
        stores.extend(self.gateways()?);
        Ok(stores)
    }

    /// Gateways, which can only be read from.
    pub(super) fn gateways(&self) -> Result<Vec<Box<dyn BulkStore>>, Failure> {
        let mut stores: Vec<Box<dyn BulkStore>> = Vec::new();
        for address in &self.gateway {
            let gateway = Gateway::new(address, self.limits())
                .map_err(|error| Failure::from(&error).about("--gateway"))?;
            stores.push(Box::new(gateway));
        }
        Ok(stores)
    }

    fn authorization(&self) -> Result<Option<Authorization>, Failure> {
        let Some(file) = &self.api_secret_file else {
            return Ok(None);
        };
        let secret =
            read_secret(file).map_err(|error| Failure::new(error).about(file.display()))?;
        let authorization = match secret.trim().split_once(':') {
            Some((user, password)) => Authorization::basic(user, password),
            None => Authorization::bearer(secret.trim()),
        };
        let authorization =
            authorization.map_err(|error| Failure::from(&error).about(file.display()))?;
        Ok(Some(authorization))
    }
}

fn read_secret(file: &Path) -> std::io::Result<zeroize::Zeroizing<String>> {
    use std::io::Read as _;
    let mut secret = zeroize::Zeroizing::new(String::new());
    std::fs::File::open(file)?
        .take(SECRET_BYTES_MAX)
        .read_to_string(&mut secret)?;
    Ok(secret)
}

/// Reads the id of a bundle.
pub(super) fn parse(typed: &str) -> Result<Cid, Failure> {
    parse_cid(typed).map_err(|error| {
        Failure::new(chain(&error)).with_help("the id of a bundle begins with bafyrei")
    })
}

/// How stores failed before the bundle was whole, for machines.
pub(super) fn failures(failed: &[Attempt]) -> Vec<Value> {
    let failures = failed.iter().map(|attempt| {
        let (code, error) = (attempt.error.code(), chain(&attempt.error));
        json!({ "from": attempt.store, "code": code, "error": error })
    });
    failures.collect()
}

impl From<&BulkError> for Failure {
    fn from(error: &BulkError) -> Self {
        match error {
            BulkError::Nobody { root, tried } => {
                let tried: Vec<String> = tried.iter().map(line).collect();
                let message = format!("nobody gave all of {root}:{}", tried.concat());
                let failure = Self::new(message);
                if error.retry_class().is_transient() {
                    failure.with_help("some of these may pass: try again, or name more places")
                } else {
                    failure.with_help("name other places with --gateway, --api or --dir")
                }
            }
            error => Self::new(chain(error)),
        }
    }
}

/// How a store failed, in a line of its own that says which.
fn line(attempt: &Attempt) -> String {
    let (store, error) = (&attempt.store, chain(&attempt.error));
    if error.contains(store.as_str()) {
        format!("\n  {error}")
    } else {
        format!("\n  {store}: {error}")
    }
}
