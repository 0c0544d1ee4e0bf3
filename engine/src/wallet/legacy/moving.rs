use core::fmt;
use std::ops::ControlFlow;

use uxf_codec::json::Tape;

use super::files::{FileRole, LegacyFile};
use super::{LegacyError, LegacyWallet, ValuesMoved};
use crate::error::Error;
use crate::profile::Profile;
use crate::profile::keys::AddressId;
use crate::wallet::views::TokenFile;
use crate::wallet::{
    ImportMode, LegacyImportOptions, LegacyImportReport, MemoryHoldings, REJECTIONS_LISTED_MAX,
    SaveReport, VerdictClass, Wallet, WalletImportOptions, WalletImportReport, WalletOptions,
    import_legacy,
};

/// JSON of tokens that is moved together, in bytes.
const PART_BYTES: usize = 8 << 20;

/// How a legacy wallet is moved in.
#[derive(Default)]
pub struct MoveOptions<'o> {
    dry_run: bool,
    wallet: WalletOptions,
    observe: Option<Box<dyn FnMut(u64) -> ControlFlow<()> + 'o>>,
}

impl fmt::Debug for MoveOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoveOptions")
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

impl<'o> MoveOptions<'o> {
    /// For real, and to the end.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only counts what would be offered. Default: off.
    #[must_use]
    pub const fn dry_run(mut self, on: bool) -> Self {
        self.dry_run = on;
        self
    }

    /// How the wallets are opened that the tokens go to.
    #[must_use]
    pub fn wallet(mut self, options: WalletOptions) -> Self {
        self.wallet = options;
        self
    }

    /// Is told after each step how many files of tokens are done, and may have it stop.
    #[must_use]
    pub fn observe(mut self, observe: impl FnMut(u64) -> ControlFlow<()> + 'o) -> Self {
        self.observe = Some(Box::new(observe));
        self
    }

    fn step(&mut self, files: u64) -> Result<(), LegacyError> {
        match self.observe.as_mut().map(|observe| observe(files)) {
            Some(ControlFlow::Break(())) => Err(LegacyError::Stopped),
            _ => Ok(()),
        }
    }
}

/// What moving the tokens of one address in came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct AddressMoved {
    /// The address.
    pub address: AddressId,
    /// What became of the tokens.
    pub tokens: LegacyImportReport,
    /// The bundles that have them now.
    pub saved: Option<SaveReport>,
}

/// What moving a legacy wallet in came to.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct MoveReport {
    /// What became of the values.
    pub values: ValuesMoved,
    /// What became of the tokens of each address.
    pub addresses: Vec<AddressMoved>,
    /// Files that were left where they are.
    pub unknown_files: u64,
}

impl MoveReport {
    /// Whether everything of the source is in the store, or was spent, so that the source is not needed any more.
    pub fn is_complete(&self) -> bool {
        let is_whole = |moved: &AddressMoved| {
            let saved = moved.saved.as_ref();
            moved.tokens.is_complete() && saved.is_some_and(|saved| saved.too_large.is_empty())
        };
        self.values.is_complete() && self.unknown_files == 0 && self.addresses.iter().all(is_whole)
    }

    /// Tokens that were rejected.
    pub fn rejected(&self) -> u64 {
        let tallies = self.addresses.iter().map(|moved| &moved.tokens.tally);
        tallies
            .map(|tally| tally.of_class(VerdictClass::Rejected))
            .sum()
    }
}

impl LegacyWallet {
    /// Moves everything in: the values, then for each address its lists, its tokens, the active ones and those that were
    /// sent away, and a bundle of them. The source is only read. What is in the profile stays as it is, so that moving
    /// again after a crash, or for no reason, does what is left and nothing twice. It is durable when it returns.
    ///
    /// # Errors
    /// [`LegacyError::OtherIdentity`] is not among them, see [`check_identity`](Self::check_identity).
    /// [`LegacyError::Stopped`] if the observer says so; [`LegacyError::Io`], [`LegacyError::FileTooLarge`],
    /// [`LegacyError::Store`].
    pub fn move_into(
        &self,
        profile: &Profile,
        mut options: MoveOptions<'_>,
    ) -> Result<MoveReport, LegacyError> {
        let span = tracing::info_span!("legacy_move");
        let _entered = span.enter();
        let mut report = MoveReport {
            unknown_files: self.unknown.len() as u64,
            ..MoveReport::default()
        };
        if options.dry_run {
            for address in self.addresses.keys() {
                report.addresses.push(AddressMoved {
                    tokens: self.count(address)?,
                    address: address.clone(),
                    saved: None,
                });
            }
            return Ok(report);
        }
        report.values = self.move_values(profile)?;
        options.step(0)?;
        let mut done = 0;
        for address in self.addresses.keys() {
            self.move_lists(profile, address, &mut report.values)?;
            options.step(done)?;
            let moved = self.move_address(profile, address, &mut options, &mut done)?;
            report.addresses.push(moved);
        }
        profile.engine().flush()?;
        Ok(report)
    }

    fn count(&self, address: &AddressId) -> Result<LegacyImportReport, LegacyError> {
        let mut report = LegacyImportReport::default();
        let options = LegacyImportOptions { dry_run: true };
        self.for_each_part(address, |part, _| {
            let mut tape = Tape::new();
            let parsed = tape.parse(&part.json);
            let counted = import_legacy(parsed, &mut MemoryHoldings::default(), options);
            report.found += counted.found;
            report.forks_skipped += counted.forks_skipped;
            report.not_offered += counted.not_offered + part.unreadable;
            Ok(())
        })?;
        Ok(report)
    }

    fn move_address(
        &self,
        profile: &Profile,
        address: &AddressId,
        options: &mut MoveOptions<'_>,
        done: &mut u64,
    ) -> Result<AddressMoved, LegacyError> {
        let wallet = self.wallet_of(profile, address, options.wallet.clone())?;
        let mut report = LegacyImportReport::default();
        self.for_each_part(address, |part, files| {
            wallet.keep_archived(&part.json)?;
            options.step(*done)?;
            let strict = WalletImportOptions::new().mode(ImportMode::Strict);
            let imported = wallet.import(&part.json, &strict)?;
            report.add(imported);
            report.not_offered += part.unreadable;
            *done += files;
            options.step(*done)
        })?;
        // What the values brought of an outbox of the old shape is moved on.
        wallet.collections()?;
        let saved = wallet.save()?;
        options.step(*done)?;
        Ok(AddressMoved {
            address: address.clone(),
            tokens: report,
            saved: Some(saved),
        })
    }

    #[expect(clippy::unused_self, reason = "it is this wallet's")]
    pub(super) fn wallet_of(
        &self,
        profile: &Profile,
        address: &AddressId,
        options: WalletOptions,
    ) -> Result<Wallet, Error> {
        profile.engine().wallet(profile, address, options)
    }

    /// Reads the tokens of an address some megabytes at a time, each time as a token file, all states of one token
    /// together.
    pub(super) fn for_each_part(
        &self,
        address: &AddressId,
        mut take: impl FnMut(&Part, u64) -> Result<(), LegacyError>,
    ) -> Result<(), LegacyError> {
        let mut part = Part::default();
        let (mut files, mut id) = (0, None);
        for file in self.addresses.get(address).into_iter().flatten() {
            match file.role() {
                FileRole::Token { id: next } => {
                    if part.json.len() >= PART_BYTES && id != Some(next) {
                        part.close();
                        take(&part, files)?;
                        (part, files) = (Part::default(), 0);
                    }
                    id = Some(next);
                    part.add(file)?;
                    files += 1;
                }
                FileRole::Unknown => part.unreadable += 1,
                _ => {}
            }
        }
        part.close();
        take(&part, files)
    }
}

/// Some tokens of an address, as a token file.
#[derive(Default)]
pub(super) struct Part {
    pub(super) json: Vec<u8>,
    /// Files that are no JSON.
    pub(super) unreadable: u64,
}

impl Part {
    fn add(&mut self, file: &LegacyFile) -> Result<(), LegacyError> {
        let bytes = file.read()?;
        if Tape::new().parse(&bytes).is_err() {
            self.unreadable += 1;
            return Ok(());
        }
        self.json
            .push(if self.json.is_empty() { b'{' } else { b',' });
        uxf_codec::json::write_text(&mut self.json, &file.token_key());
        self.json.push(b':');
        self.json.extend_from_slice(&bytes);
        Ok(())
    }

    fn close(&mut self) {
        if self.json.is_empty() {
            self.json.push(b'{');
        }
        self.json.push(b'}');
    }

    /// The tokens.
    pub(super) fn look<'t>(&'t self, tape: &'t mut Tape) -> Result<TokenFile<'t>, LegacyError> {
        let root = tape.parse(&self.json).map_err(Error::from)?;
        Ok(TokenFile::new(root))
    }
}

impl LegacyImportReport {
    fn add(&mut self, imported: WalletImportReport) {
        self.found += imported.verdicts.len() as u64;
        self.forks_skipped += imported.forks_skipped;
        self.not_offered += imported.not_offered;
        for verdict in imported.verdicts {
            self.tally.count(verdict.code);
            let is_rejected = verdict.code.class() == VerdictClass::Rejected;
            if is_rejected && self.rejections.len() < REJECTIONS_LISTED_MAX {
                self.rejections.push(verdict);
            }
        }
    }
}
