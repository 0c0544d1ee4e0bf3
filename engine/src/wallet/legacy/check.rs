use uxf_codec::json::Tape;

use super::files::FileRole;
use super::values::{Fate, fate, list_value};
use super::{LegacyError, LegacyWallet};
use crate::error::Error;
use crate::profile::Profile;
use crate::profile::keys::AddressId;
use crate::wallet::{IncomingToken, VerdictCode, Wallet, WalletImportOptions, WalletOptions};

/// That everything of a legacy wallet was found in a store. Needed to delete it.
#[derive(Debug)]
pub struct Moved {
    pub(super) looked_at: u64,
}

impl Moved {
    /// Tokens and values that were looked at.
    pub const fn looked_at(&self) -> u64 {
        self.looked_at
    }
}

#[derive(Default)]
struct Tally {
    looked_at: u64,
    missing: u64,
}

impl Tally {
    fn count(&mut self, is_there: bool) {
        self.looked_at += 1;
        self.missing += u64::from(!is_there);
    }
}

impl LegacyWallet {
    /// Looks for everything of the wallet in the store: every value, and every token at its very state, put together
    /// from its elements with all hashes checked, or known as spent. Nothing is written. To say what is on the disk, the
    /// store has to be opened anew for it: what another handle wrote must not be answered from its memory.
    ///
    /// # Errors
    /// [`LegacyError::NotMoved`] if something is not there, forks and files that nobody knows included;
    /// [`LegacyError::Io`], [`LegacyError::Store`].
    pub fn check_moved(
        &self,
        profile: &Profile,
        options: &WalletOptions,
    ) -> Result<Moved, LegacyError> {
        let mut tally = Tally::default();
        for value in self.incoming() {
            tally.count(matches!(fate(profile, &value)?, Fate::Same));
        }
        for _ in 0..self.odd_values + self.unknown.len() as u64 {
            tally.count(false);
        }
        for address in self.addresses.keys() {
            self.check_lists(profile, address, &mut tally)?;
            let wallet = self.wallet_of(profile, address, options.clone())?;
            self.check_tokens(&wallet, address, &mut tally)?;
        }
        let Tally { looked_at, missing } = tally;
        if missing > 0 {
            return Err(LegacyError::NotMoved { missing, looked_at });
        }
        Ok(Moved { looked_at })
    }

    fn check_lists(
        &self,
        profile: &Profile,
        address: &AddressId,
        tally: &mut Tally,
    ) -> Result<(), LegacyError> {
        for file in self.addresses.get(address).into_iter().flatten() {
            match file.role() {
                // Those of no known kind are counted with the tokens.
                FileRole::Token { .. } | FileRole::Meta | FileRole::Unknown => continue,
                _ => {}
            }
            let text = String::from_utf8(file.read()?).ok();
            let incoming = match text {
                Some(text) => list_value(address, file.role(), text),
                None => None,
            };
            let is_there = match &incoming {
                Some(incoming) => matches!(fate(profile, incoming)?, Fate::Same),
                None => false,
            };
            tally.count(is_there);
        }
        Ok(())
    }

    fn check_tokens(
        &self,
        wallet: &Wallet,
        address: &AddressId,
        tally: &mut Tally,
    ) -> Result<(), LegacyError> {
        self.for_each_part(address, |part, _| {
            let judged = wallet.import(&part.json, &WalletImportOptions::new().dry_run(true))?;
            let left_behind = part.unreadable + judged.forks_skipped + judged.not_offered;
            (0..left_behind).for_each(|_| tally.count(false));
            let mut tape = Tape::new();
            let file = part.look(&mut tape)?;
            let offered = file.active().iter().chain(file.archived());
            for ((_, token), verdict) in offered.zip(&judged.verdicts) {
                let id = IncomingToken::new(*token).map(|token| token.id().to_ascii_lowercase());
                let is_settled = matches!(
                    verdict.code,
                    VerdictCode::Duplicate | VerdictCode::Tombstoned
                );
                let is_there = match id {
                    Some(id) if is_settled => is_whole(wallet, &id, verdict.code)?,
                    _ => false,
                };
                tally.count(is_there);
            }
            Ok(())
        })
    }
}

/// Whether a token can be put together. One that was spent before the wallet had it need not be there.
fn is_whole(wallet: &Wallet, token_id: &str, code: VerdictCode) -> Result<bool, Error> {
    let Some(token) = wallet.get(token_id)? else {
        return Ok(code == VerdictCode::Tombstoned);
    };
    let snapshot = wallet.engine().snapshot()?;
    let mut json = Vec::new();
    let mut assembler = uxf_codec::token::Assembler::new();
    let options = uxf_codec::token::AssembleOptions::default();
    let assembled = assembler.assemble(&snapshot, &token.root, &options, &mut json);
    Ok(assembled.is_ok())
}
