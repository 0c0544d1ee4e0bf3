use super::origin::Origin;

/// What an entry records: an act of the user, or bookkeeping of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "the names are the reference's and say all that is known of them"
)]
pub enum EntryKind {
    TokenSend,
    TokenReceive,
    NametagRegister,
    DmSend,
    DmReceive,
    InvoiceMint,
    InvoicePay,
    InvoiceClose,
    InvoiceCancel,
    SwapPropose,
    SwapAccept,
    SwapDeposit,
    SessionReceipt,
    CacheIndex,
    LastOpenedTs,
}

impl EntryKind {
    /// All fifteen, the twelve of the user first.
    pub const ALL: [Self; 15] = [
        Self::TokenSend,
        Self::TokenReceive,
        Self::NametagRegister,
        Self::DmSend,
        Self::DmReceive,
        Self::InvoiceMint,
        Self::InvoicePay,
        Self::InvoiceClose,
        Self::InvoiceCancel,
        Self::SwapPropose,
        Self::SwapAccept,
        Self::SwapDeposit,
        Self::SessionReceipt,
        Self::CacheIndex,
        Self::LastOpenedTs,
    ];

    /// The name in an envelope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenSend => "token_send",
            Self::TokenReceive => "token_receive",
            Self::NametagRegister => "nametag_register",
            Self::DmSend => "dm_send",
            Self::DmReceive => "dm_receive",
            Self::InvoiceMint => "invoice_mint",
            Self::InvoicePay => "invoice_pay",
            Self::InvoiceClose => "invoice_close",
            Self::InvoiceCancel => "invoice_cancel",
            Self::SwapPropose => "swap_propose",
            Self::SwapAccept => "swap_accept",
            Self::SwapDeposit => "swap_deposit",
            Self::SessionReceipt => "session_receipt",
            Self::CacheIndex => "cache_index",
            Self::LastOpenedTs => "last_opened_ts",
        }
    }

    /// Reads the name in an envelope.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The only origin that a write of this kind may claim on the device where it is made.
    pub const fn local_origin(self) -> Origin {
        match self {
            Self::SessionReceipt | Self::CacheIndex | Self::LastOpenedTs => Origin::System,
            _ => Origin::User,
        }
    }
}
