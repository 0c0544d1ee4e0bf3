use super::event::{Disconnect, Output};

/// What a host came to, counted from its outputs by who drives it.
///
/// ```
/// use uxf_replication::host::{ConnectionId, HostMetrics, Output};
///
/// let mut metrics = HostMetrics::default();
/// metrics.record(&Output::Bytes(ConnectionId(1), vec![0; 20]));
/// assert_eq!(metrics.sent_bytes_total, 20);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostMetrics {
    /// Bytes that were handed out for connections.
    pub sent_bytes_total: u64,
    /// Requests to stores.
    pub requests_total: u64,
    /// How often a connection was not read for a while.
    pub pauses_total: u64,
    /// Sessions that opened.
    pub sessions_total: u64,
    /// Sessions that the other side refused.
    pub refusals_total: u64,
    /// Runs in which a peer gave all it has.
    pub pulls_total: u64,
    /// Runs in which a peer took all it was given.
    pub pushes_total: u64,
    /// Commits and checkpoints that came and were new.
    pub commits_taken_total: u64,
    /// Commits that came and were there already.
    pub commits_known_total: u64,
    /// Reconciliations that were begun here.
    pub reconciliations_begun_total: u64,
    /// Reconciliations that came to their end, whoever began them.
    pub reconciliations_done_total: u64,
    /// Operations that came alone.
    pub operations_received_total: u64,
    /// Those of them that counted here.
    pub operations_new_total: u64,
    /// Operations that were sent alone.
    pub operations_sent_total: u64,
    /// Roots that were fetched with all below them.
    pub roots_fetched_total: u64,
    /// Roots that could not be had.
    pub roots_failed_total: u64,
    /// Devices of which two histories were found.
    pub forks_total: u64,
    /// Peers that were banned.
    pub bans_total: u64,
    /// Connections that were closed for something that proves nothing.
    pub faults_total: u64,
    /// Requests at which a store failed.
    pub store_failures_total: u64,
}

impl HostMetrics {
    /// Counts an output.
    pub fn record(&mut self, output: &Output) {
        let add = |counter: &mut u64, more: u64| *counter = counter.saturating_add(more);
        match output {
            Output::Bytes(_, bytes) => add(&mut self.sent_bytes_total, bytes.len() as u64),
            Output::Run(_) => add(&mut self.requests_total, 1),
            Output::Pause(_) => add(&mut self.pauses_total, 1),
            Output::Close(_, Disconnect::Ban(_)) => add(&mut self.bans_total, 1),
            Output::Close(_, Disconnect::BackOff(_)) => add(&mut self.faults_total, 1),
            Output::Opened(..) => add(&mut self.sessions_total, 1),
            Output::Refused(..) => add(&mut self.refusals_total, 1),
            Output::Pulled(.., taken) => {
                add(&mut self.pulls_total, 1);
                add(&mut self.commits_taken_total, taken.new);
                add(&mut self.commits_known_total, taken.known);
            }
            Output::Reconciling(..) => add(&mut self.reconciliations_begun_total, 1),
            Output::Reconciled(.., sum) => {
                add(&mut self.reconciliations_done_total, 1);
                add(&mut self.operations_received_total, sum.received);
                add(&mut self.operations_new_total, sum.new);
                add(&mut self.operations_sent_total, sum.sent);
            }
            Output::Pushed(..) => add(&mut self.pushes_total, 1),
            Output::Forked(..) => add(&mut self.forks_total, 1),
            Output::Fetched(..) => add(&mut self.roots_fetched_total, 1),
            Output::FetchFailed(..) => add(&mut self.roots_failed_total, 1),
            Output::HistoryFailed(..)
            | Output::ReconcileFailed(..)
            | Output::BlocksFailed(..)
            | Output::ProofFailed(..) => {
                add(&mut self.store_failures_total, 1);
            }
            Output::Resume(_)
            | Output::Close(_, Disconnect::Done)
            | Output::Ended(..)
            | Output::Told(..)
            | Output::Cut(..) => {}
        }
    }
}
