//! The rules of a wallet: which of its tokens count, what an import does, what is derived from them (profile notes,
//! sections 7 to 9, 11 and 12).
//!
//! Everything here but [`Wallet`] is pure: no store, no clock, no randomness. What a wallet holds is asked of the caller,
//! so that the rule that is tested is the rule that runs; [`Wallet`] answers from the store. Where the reference's rule loses tokens or contradicts itself, ours differs;
//! `docs/decisions/0005-wallet-rules.md` lists each difference.

mod audit;
pub mod collections;
mod dedup;
mod directory;
mod disposition;
pub mod files;
mod handle;
mod import;
pub mod legacy;
mod legacy_import;
mod mode;
mod outbox_migration;
mod spent;
mod txf_keys;
mod txf_token;
mod verdict;
pub mod views;

pub use audit::{AuditRecord, PromotionStep};
pub use dedup::{DedupKey, HistoryKind};
pub use directory::{DirectoryKind, DirectoryLook, StoreCondition};
pub use disposition::{
    ContentHash, ContentHashError, DISPOSITIONS_LISTED_MAX, DispositionCollection,
    DispositionReason, cascade, invalid_record,
};
pub use handle::{
    Balance, BundleTaken, Consolidation, ConsolidationReport, ConsolidationStep, HistoryEntry,
    InvoiceEntry, InvoiceState, OracleReport, OwnerPredicate, ProofVerifier, RecoveryReport,
    SaveReport, SaveScope, SentToken, SpentOracle, SpentState, SyncReport, TokenEntry, TokenStatus,
    WaitingBundle, Wallet, WalletCounts, WalletImportOptions, WalletImportReport, WalletOptions,
    WalletStatus, WalletTokens, WalletViews, wallet_of_inventory,
};
pub use import::{
    Holdings, MemoryHoldings, MemoryToken, Taken, Verdict, VerdictTally, import_token,
    import_tokens,
};
pub use legacy_import::{
    LegacyImportOptions, LegacyImportReport, REJECTIONS_LISTED_MAX, import_legacy,
};
pub use mode::{
    DiskMarkers, ModeDecision, ModeNotice, ModeRefusal, ModeRequest, StorageMode, resolve_mode,
};
pub use outbox_migration::{
    OutboxMigration, OutboxRowText, outbox_backup_key, outbox_mark_key, plan_outbox_migration,
};
pub use txf_keys::{ForkKey, RESERVED_NAMES, TokenFileKey};
pub use txf_token::TxfToken;
pub use verdict::{
    HeldStatus, HeldToken, ImportMode, IncomingToken, Judgement, STATE_HASH_BYTES_MAX,
    VerdictClass, VerdictCode, judge,
};
