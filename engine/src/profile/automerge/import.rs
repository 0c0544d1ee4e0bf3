use automerge::{Automerge, ObjType, ROOT, ReadDoc as _, ScalarValue, Value};
use zeroize::Zeroizing;

use super::{AUTOMERGE_VALUES_MAX, AutomergeError, VALUES, guarded, load};
use crate::error::Error;
use crate::profile::Profile;
use crate::profile::keys::classify;

/// What importing a document did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutomergeImport {
    /// Values that were written.
    pub put: u64,
    /// Values that were deleted.
    pub deleted: u64,
    /// Keys that were that way already.
    pub equal: u64,
}

impl Profile {
    /// Takes over the map `values` of an Automerge document, from
    /// [`export_automerge`](Self::export_automerge) or of any application: bytes and text become values, null deletes.
    /// Of concurrent values it is Automerge's winner that counts. Keys that are that way already are left alone; all
    /// others are written in one batch, by this device and now. Where the key's class merges values, they are joined.
    ///
    /// # Errors
    /// [`AutomergeError::TooLarge`], [`AutomergeError::Document`], [`AutomergeError::Panicked`],
    /// [`AutomergeError::NoMap`], [`AutomergeError::ValueCount`], [`AutomergeError::ValueType`],
    /// [`AutomergeError::LocalKey`]; those of [`WriteBatch::put_value`](crate::WriteBatch::put_value) and of a commit.
    pub fn import_automerge(&self, bytes: &[u8]) -> Result<AutomergeImport, Error> {
        let values = guarded(|| values_of(&load(bytes)?))?;
        let mut outcome = AutomergeImport::default();
        let snapshot = self.engine.snapshot()?;
        let view = snapshot.profile(self);
        let mut batch = self.engine.begin();
        for (key, value) in &values {
            if !classify(key).is_replicated() {
                return Err(AutomergeError::LocalKey { key: key.clone() }.into());
            }
            let found = view.get(key)?;
            match value {
                Some(value)
                    if found
                        .as_ref()
                        .is_some_and(|found| *found == value.as_slice()) =>
                {
                    outcome.equal += 1;
                }
                Some(value) => {
                    batch.put_value(self, key, value)?;
                    outcome.put += 1;
                }
                None if found.is_none() => outcome.equal += 1,
                None => {
                    batch.delete_value(self, key)?;
                    outcome.deleted += 1;
                }
            }
        }
        if outcome.put + outcome.deleted > 0 {
            batch.commit()?;
        }
        Ok(outcome)
    }
}

/// Keys in their order, and what they are to be; `None` for nothing.
type Values = Vec<(String, Option<Zeroizing<Vec<u8>>>)>;

fn values_of(document: &Automerge) -> Result<Values, AutomergeError> {
    let Some((Value::Object(ObjType::Map), map)) = document.get(ROOT, VALUES)? else {
        return Err(AutomergeError::NoMap { name: VALUES });
    };
    let found = document.length(&map);
    if found > AUTOMERGE_VALUES_MAX {
        return Err(AutomergeError::ValueCount {
            found,
            limit: AUTOMERGE_VALUES_MAX,
        });
    }
    let mut values = Vec::with_capacity(found);
    for key in document.keys(&map) {
        let Some((value, object)) = document.get(&map, key.as_str())? else {
            continue;
        };
        let value = match &value {
            Value::Object(ObjType::Text) => Some(document.text(&object)?.into_bytes()),
            Value::Scalar(scalar) => match &**scalar {
                ScalarValue::Bytes(bytes) => Some(bytes.clone()),
                ScalarValue::Str(text) => Some(text.as_bytes().to_vec()),
                ScalarValue::Null => None,
                _ => return Err(AutomergeError::ValueType { key }),
            },
            Value::Object(_) => return Err(AutomergeError::ValueType { key }),
        };
        values.push((key, value.map(Zeroizing::new)));
    }
    Ok(values)
}
