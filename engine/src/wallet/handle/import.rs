use std::collections::HashSet;

use uxf_codec::ElementHash;
use uxf_codec::json::{Kind, Node, Tape};
use uxf_codec::package::Package;
use uxf_codec::token::{AssembleOptions, Assembler};

use super::ahead::{Ahead, GROUP_TOKENS, TakenApart};
use super::change::Change;
use super::holdings::StoreHoldings;
use super::{Wallet, WalletCounts};
use crate::error::Error;
use crate::exchange::{InputKind, Layered};
use crate::wallet::views::TokenFile;
use crate::wallet::{
    DedupKey, ImportMode, TxfToken, Verdict, VerdictCode, VerdictTally, import_token,
};

/// Elements, and tokens, of one commit.
const COMMIT_ELEMENTS: usize = 16_384;
const COMMIT_TOKENS: usize = 1_024;
/// JSON of tokens of a package that is judged together.
const GROUP_BYTES: usize = 8 << 20;

/// How an import into a wallet is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct WalletImportOptions {
    mode: ImportMode,
    dry_run: bool,
}

impl WalletImportOptions {
    /// Strict, and for real.
    pub fn new() -> Self {
        Self::default()
    }

    /// What becomes of a token that is held at another state. Default [`ImportMode::Strict`].
    #[must_use]
    pub const fn mode(mut self, mode: ImportMode) -> Self {
        self.mode = mode;
        self
    }

    /// Judges every token and changes nothing. Default: off.
    #[must_use]
    pub const fn dry_run(mut self, on: bool) -> Self {
        self.dry_run = on;
        self
    }
}

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalletImportReport {
    /// What became of each token that was offered, in their order.
    pub verdicts: Vec<Verdict>,
    /// How many of each class and code.
    pub tally: VerdictTally,
    /// Forks in a token file, which are left where they are.
    pub forks_skipped: u64,
    /// What stands under the key of a token in a token file and is none.
    pub not_offered: u64,
    /// What was done to the tokens of the wallet; in a dry run, nothing.
    pub counts: WalletCounts,
}

/// A token to import: as JSON, or as a root of a package that says the same.
#[derive(Clone, Copy)]
struct Offer<'t> {
    token: Node<'t>,
    source: Option<(&'t Package, ElementHash)>,
}

impl Wallet {
    /// Imports whatever bytes hold: a token, an array of tokens, a token file of a wallet, UXF JSON or a CAR. Every token
    /// gets a verdict, and one bad token stops no other (profile notes, section 9.1).
    ///
    /// Of a token file, states that were sent away are noted as spent before anything is offered, so that they do not come
    /// back. Importing the same again changes nothing. The tokens are on this device alone until the next
    /// [`save`](Self::save).
    ///
    /// # Errors
    /// [`Error::UnknownInput`] for bytes that are none of it; [`Error::Codec`] for a text or package that is damaged as a
    /// whole; those of a commit. What was committed before an error stays.
    pub fn import(
        &self,
        input: &[u8],
        options: &WalletImportOptions,
    ) -> Result<WalletImportReport, Error> {
        let span = tracing::info_span!("wallet_import", bytes = input.len());
        let _entered = span.enter();
        let options = *options;
        match InputKind::detect(input).ok_or(Error::UnknownInput)? {
            InputKind::Token | InputKind::TokenArray => self.import_json(input, options),
            InputKind::UxfJson => self.import_package(&Package::from_json(input)?, options),
            InputKind::Car => self.import_package(&Package::from_car(input)?, options),
        }
    }

    fn import_json(
        &self,
        input: &[u8],
        options: WalletImportOptions,
    ) -> Result<WalletImportReport, Error> {
        let mut tape = Tape::new();
        let root = tape.parse(input)?;
        let mut report = WalletImportReport::default();
        let offer = |token| Offer {
            token,
            source: None,
        };
        if root.kind() != Kind::Object {
            let offers: Vec<_> = root.items().map(offer).collect();
            self.import_offers(&offers, &[], options, &mut report)?;
        } else if root.get("genesis").is_some() {
            self.import_offers(&[offer(root)], &[], options, &mut report)?;
        } else {
            let file = TokenFile::new(root);
            report.forks_skipped = file.forks() as u64;
            report.not_offered = file.unreadable() as u64;
            let tokens = file.active().iter().chain(file.archived());
            let offers: Vec<_> = tokens.map(|(_, token)| offer(token.node())).collect();
            self.import_offers(&offers, &sent_away(&file), options, &mut report)?;
        }
        Ok(report)
    }

    fn import_package(
        &self,
        package: &Package,
        options: WalletImportOptions,
    ) -> Result<WalletImportReport, Error> {
        let mut report = WalletImportReport::default();
        let snapshot = self.engine().snapshot()?;
        let store = &snapshot;
        let layered = Layered { package, store };
        let mut assembler = Assembler::new();
        let mut group = Group::default();
        let most = if options.dry_run {
            usize::MAX
        } else {
            GROUP_BYTES
        };
        for (token_id, root) in package.manifest() {
            let assembled = group.add(&mut assembler, &layered, *root);
            if assembled.is_err() || group.json.len() >= most {
                self.import_group(package, &mut group, options, &mut report)?;
            }
            if let Err(error) = assembled {
                report.add(Verdict {
                    token_id: Some(token_id.to_string()),
                    code: VerdictCode::Malformed,
                    note: Some(error.to_string()),
                });
            }
        }
        self.import_group(package, &mut group, options, &mut report)?;
        Ok(report)
    }

    fn import_group(
        &self,
        package: &Package,
        group: &mut Group,
        options: WalletImportOptions,
        report: &mut WalletImportReport,
    ) -> Result<(), Error> {
        let group = core::mem::take(group);
        if group.roots.is_empty() {
            return Ok(());
        }
        let mut json = group.json;
        json.push(b']');
        let mut tape = Tape::new();
        let tokens = tape.parse(&json)?;
        let offers = tokens.items().zip(&group.roots).map(|(token, root)| Offer {
            token,
            source: Some((package, *root)),
        });
        let offers: Vec<_> = offers.collect();
        self.import_offers(&offers, &[], options, report)
    }

    fn import_offers(
        &self,
        offers: &[Offer<'_>],
        spent: &[(String, String)],
        options: WalletImportOptions,
        report: &mut WalletImportReport,
    ) -> Result<(), Error> {
        let is_json = offers.iter().all(|offer| offer.source.is_none());
        if !is_json || offers.len() <= GROUP_TOKENS {
            return self.import_in_turn(offers, spent, options, &mut Ahead::default(), report);
        }
        let tokens = offers.iter().map(|offer| offer.token).collect();
        std::thread::scope(|scope| {
            let mut ahead = Ahead::begin(scope, self, tokens);
            self.import_in_turn(offers, spent, options, &mut ahead, report)
        })
    }

    fn import_in_turn(
        &self,
        offers: &[Offer<'_>],
        spent: &[(String, String)],
        options: WalletImportOptions,
        ahead: &mut Ahead,
        report: &mut WalletImportReport,
    ) -> Result<(), Error> {
        let mut next = 0;
        let mut spent = spent;
        while next < offers.len() || !spent.is_empty() {
            ahead.forget_before(next);
            // A dry run has no commits between which what it did would be seen.
            let most = if options.dry_run {
                usize::MAX
            } else {
                COMMIT_TOKENS
            };
            let (noted, later) = spent.split_at(spent.len().min(most));
            // All that was sent away is noted before anything is offered.
            let rest = match later {
                [] => offers.get(next..).unwrap_or_default(),
                _ => &[],
            };
            let work = |change: &mut Change<'_>| {
                change.spend_new(noted)?;
                change.import(rest, options.mode, most, |at| ahead.get(next + at))
            };
            let (verdicts, counts) = if options.dry_run {
                (self.dry_run(work)?, WalletCounts::default())
            } else {
                self.change(work)?
            };
            if later.is_empty() {
                next += verdicts.len().max(1);
            }
            spent = later;
            report.counts.add(counts);
            for verdict in verdicts {
                report.add(verdict);
            }
        }
        Ok(())
    }
}

/// Tokens of a package as an array of JSON, not closed yet, and their roots.
#[derive(Default)]
struct Group {
    json: Vec<u8>,
    roots: Vec<ElementHash>,
}

impl Group {
    fn add(
        &mut self,
        assembler: &mut Assembler,
        source: &Layered<'_>,
        root: ElementHash,
    ) -> Result<(), uxf_codec::Error> {
        let start = self.json.len();
        self.json
            .push(if self.roots.is_empty() { b'[' } else { b',' });
        let assembled =
            assembler.assemble(source, &root, &AssembleOptions::default(), &mut self.json);
        match &assembled {
            Ok(()) => self.roots.push(root),
            Err(_) => self.json.truncate(start),
        }
        assembled
    }
}

impl WalletImportReport {
    fn add(&mut self, verdict: Verdict) {
        self.tally.count(verdict.code);
        self.verdicts.push(verdict);
    }
}

/// States of archived tokens: those were sent away from. A state that the file also holds is not among them, for two states
/// may be known by one key.
pub(super) fn sent_away(file: &TokenFile<'_>) -> Vec<(String, String)> {
    let state = |token: &TxfToken<'_>| {
        let token_id = token.token_id()?.to_ascii_lowercase();
        let key = DedupKey::of(token);
        Some((token_id, key.state_hash()?.to_owned()))
    };
    let held: HashSet<_> = file
        .active()
        .iter()
        .filter_map(|(_, token)| state(token))
        .collect();
    let archived = file.archived().iter().filter_map(|(_, token)| state(token));
    archived.filter(|state| !held.contains(state)).collect()
}

impl Change<'_> {
    /// Imports tokens until there is enough for one commit.
    fn import(
        &mut self,
        offers: &[Offer<'_>],
        mode: ImportMode,
        most: usize,
        mut taken_apart: impl FnMut(usize) -> Option<TakenApart>,
    ) -> Result<Vec<Verdict>, Error> {
        let mut holdings = StoreHoldings::new(self);
        let mut verdicts = Vec::new();
        for (at, offer) in offers.iter().take(most).enumerate() {
            holdings.source = offer.source;
            holdings.taken_apart = taken_apart(at);
            let token = TxfToken::new(offer.token);
            holdings.wanted = token.map(|token| DedupKey::of(&token));
            holdings.is_borrowed = token.is_some_and(|token| token.has_borrowed_state_hash());
            verdicts.push(import_token(offer.token, &mut holdings, mode));
            if let Some(error) = holdings.failure() {
                return Err(error);
            }
            if holdings.elements() >= COMMIT_ELEMENTS && most < usize::MAX {
                break;
            }
        }
        Ok(verdicts)
    }
}
