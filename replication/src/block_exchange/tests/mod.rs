mod hostile;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uxf_codec::ElementHash;
use uxf_codec::canonical::ElementView;
use uxf_codec::carriage::car::BundleBlocks;
use uxf_codec::package::{Envelope, Package, Timestamp as PackageTime};
use uxf_engine::{Engine, EngineOptions};
use uxf_testkit::Wallet;

use super::*;
use crate::wire::{Frame, FrameReader, Message, SessionId};
use crate::{Misbehaviour, Peer, Timestamp};

/// A store that looks whether what is put there is whole.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    blocks: RefCell<BTreeMap<ElementHash, (Role, Vec<u8>)>>,
    reads: Cell<usize>,
    /// How often each block was read.
    read: RefCell<BTreeMap<ElementHash, usize>>,
    batches: Cell<usize>,
    fails: Cell<bool>,
    /// Blocks of this role are gone once they were read.
    fading: Cell<Option<Role>>,
}

impl Shelf {
    fn put(&self, hash: ElementHash, role: Role, bytes: Vec<u8>) {
        self.blocks.borrow_mut().insert(hash, (role, bytes));
    }

    fn len(&self) -> usize {
        self.blocks.borrow().len()
    }

    fn read_often(&self, hash: &ElementHash) -> usize {
        self.read.borrow().get(hash).copied().unwrap_or_default()
    }

    fn links(role: Role, bytes: &[u8]) -> Vec<ElementHash> {
        let mut links = Vec::new();
        if role == Role::Element {
            ElementView::parse(bytes)
                .unwrap()
                .distinct_links(&mut links);
        }
        links
    }
}

impl ReadBlocks for &Shelf {
    fn look(&self, hash: &ElementHash, role: Role) -> Result<Presence, BlocksError> {
        if self.fails.get() {
            return Err(BlocksError::Store("a broken disk".into()));
        }
        Ok(match self.blocks.borrow().get(hash) {
            None => Presence::Absent,
            Some(_) if role == Role::Element => Presence::Whole,
            Some((_, bytes)) => Presence::Alone(bytes.clone()),
        })
    }

    fn read(&self, hash: &ElementHash) -> Result<Option<Vec<u8>>, BlocksError> {
        self.reads.set(self.reads.get() + 1);
        *self.read.borrow_mut().entry(*hash).or_default() += 1;
        let mut blocks = self.blocks.borrow_mut();
        let Some((role, bytes)) = blocks.get(hash).cloned() else {
            return Ok(None);
        };
        if self.fading.get() == Some(role) {
            blocks.remove(hash);
        }
        Ok(Some(bytes))
    }
}

impl Blocks for Shelf {
    fn reader(&self) -> Result<impl ReadBlocks, BlocksError> {
        Ok(self)
    }

    fn store(&self, blocks: &[NewBlock]) -> Result<(), BlocksError> {
        self.batches.set(self.batches.get() + 1);
        for block in blocks {
            assert_eq!(ElementHash::of(&block.bytes), block.hash);
            for link in Self::links(block.role, &block.bytes) {
                if !self.blocks.borrow().contains_key(&link) {
                    return Err(BlocksError::Gone);
                }
            }
            let before = self.blocks.borrow().len();
            self.put(block.hash, block.role, block.bytes.clone());
            assert_eq!(self.len(), before + 1, "a block was stored twice");
        }
        Ok(())
    }
}

/// A bundle of so many tokens and all its blocks.
pub(super) fn bundle(tokens: u64) -> (ElementHash, Vec<(ElementHash, Role, Vec<u8>)>) {
    let time = PackageTime::from_secs(1_700_000_000);
    let mut package = Package::new(Envelope::new(time));
    for token in Wallet::new(tokens) {
        package.ingest(token.as_bytes(), time).unwrap();
    }
    let own = BundleBlocks::new(package.envelope(), package.manifest());
    let mut blocks = vec![
        (own.root, Role::Envelope, own.envelope),
        (own.manifest_hash, Role::Manifest, own.manifest),
    ];
    let pool = package.pool().iter();
    blocks.extend(pool.map(|(hash, element)| (*hash, Role::Element, element.bytes().to_vec())));
    (own.root, blocks)
}

pub(super) fn shelf(blocks: &[(ElementHash, Role, Vec<u8>)]) -> Shelf {
    let shelf = Shelf::default();
    for (hash, role, bytes) in blocks {
        shelf.put(*hash, *role, bytes.clone());
    }
    shelf
}

/// One that fetches, number 0, and peers that have something.
pub(super) struct Net<B> {
    machines: Vec<BlockExchange>,
    stores: Vec<B>,
    flights: VecDeque<(usize, usize, Vec<u8>)>,
    fetched: Vec<ElementHash>,
    failed: Vec<(ElementHash, FetchError)>,
    gone: Vec<(Peer, Option<Misbehaviour>)>,
    told: Vec<(Peer, Vec<(ElementHash, bool)>)>,
    /// Bytes to the first machine, bytes from it, and the blocks that each peer gave it.
    bytes: usize,
    asked_bytes: usize,
    given: Vec<usize>,
    cut: usize,
    most_held: usize,
    now: u64,
}

impl<B: Blocks> Net<B> {
    fn new(config: ExchangeConfig, stores: Vec<B>) -> Self {
        let machines = stores.iter().map(|_| BlockExchange::new(config)).collect();
        let mut net = Self {
            machines,
            flights: VecDeque::new(),
            fetched: Vec::new(),
            failed: Vec::new(),
            gone: Vec::new(),
            told: Vec::new(),
            bytes: 0,
            asked_bytes: 0,
            given: vec![0; stores.len()],
            stores,
            cut: usize::MAX,
            most_held: 0,
            now: 0,
        };
        for peer in 1..net.stores.len() {
            net.connect(peer);
        }
        net
    }

    fn connect(&mut self, peer: usize) {
        self.handle(0, Event::Connected(Peer::new(peer as u64)));
        self.handle(peer, Event::Connected(Peer::new(0)));
    }

    fn handle(&mut self, node: usize, event: Event) {
        let now = Timestamp::from_millis(self.now);
        self.machines[node].handle(event, now);
        while let Some(output) = self.machines[node].poll_output() {
            self.most_held = self.most_held.max(self.machines[0].held_bytes());
            match output {
                Output::Send(peer, message) => {
                    let to = usize::try_from(peer.number()).unwrap();
                    let session = SessionId(0);
                    let bytes = Frame { session, message }.encode();
                    self.flights.push_back((node, to, bytes));
                }
                Output::Store(request) => {
                    let reply = request.run(&self.stores[node]);
                    self.machines[node].handle(Event::Store(reply), now);
                }
                Output::Fetched(root) => self.fetched.push(root),
                Output::Failed(root, error) => self.failed.push((root, error)),
                Output::Told(peer, told) => self.told.push((peer, told)),
                Output::Disconnect(peer, reason) => self.gone.push((peer, reason)),
                Output::StoreFailed(_) => {}
            }
        }
    }

    /// Carries what is on its way until nothing is, or the stream to the first machine breaks.
    fn run(&mut self) {
        while let Some((from, to, bytes)) = self.flights.pop_front() {
            if to == 0 {
                self.bytes += bytes.len();
                if self.bytes > self.cut {
                    self.flights.clear();
                    return;
                }
            }
            if from == 0 {
                self.asked_bytes += bytes.len();
            }
            let frame = FrameReader::new().next(&mut &bytes[..]).unwrap().unwrap();
            if let Message::Blocks(blocks) = &frame.message {
                self.given[from] += blocks.blocks.len();
            }
            let peer = |number: usize| Peer::new(number as u64);
            self.handle(from, Event::Sent(peer(to)));
            self.handle(to, Event::Message(peer(from), frame.message));
        }
    }

    fn fetch(&mut self, root: ElementHash) {
        self.handle(0, Event::Fetch(root, Role::Envelope));
        self.run();
    }
}

#[test]
fn a_peer_says_what_it_has_without_giving_it() {
    let (root, blocks) = bundle(3);
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![Shelf::default(), shelf(&blocks), Shelf::default()],
    );
    let other = ElementHash::of(b"not there");
    for peer in 1..3 {
        // A further question is dropped.
        for _ in 0..2 {
            net.handle(0, Event::Ask(Peer::new(peer), vec![root, other]));
        }
    }
    net.run();
    assert_eq!(
        net.told,
        [
            (Peer::new(1), vec![(root, true), (other, false)]),
            (Peer::new(2), vec![(root, false), (other, false)])
        ]
    );
    assert_eq!(net.stores[0].len(), 0);
    // While nobody has what is wanted, nobody is busy with it.
    assert!(!net.machines[0].is_busy());
    net.fetch(other);
    assert!(!net.machines[0].is_busy());
    assert_eq!(net.machines[0].roots().count(), 1);
}

#[test]
fn a_bundle_comes_whole_from_several_peers_and_each_block_once() {
    let (root, blocks) = bundle(40);
    let total: usize = blocks.iter().map(|(.., bytes)| bytes.len()).sum();
    let mut stores = vec![Shelf::default()];
    stores.extend((0..3).map(|_| shelf(&blocks)));
    let config = ExchangeConfig {
        request_blocks: 16,
        ..ExchangeConfig::default()
    };
    let mut net = Net::new(config, stores);
    net.fetch(root);
    assert_eq!(net.fetched, [root]);
    assert_eq!(net.stores[0].len(), blocks.len());
    assert_eq!(net.given.iter().sum::<usize>(), blocks.len());
    let is_fair = |given: &usize| *given > blocks.len() / 6;
    assert!(net.given[1..].iter().all(is_fair), "{:?}", net.given);
    assert!(net.bytes * 100 < total * 105, "{} for {total}", net.bytes);
    assert_eq!(
        (net.machines[0].held_bytes(), net.machines[0].missing()),
        (0, 0)
    );
}

#[test]
fn who_gave_a_block_is_asked_for_what_that_names_by_places() {
    let (root, blocks) = bundle(40);
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![Shelf::default(), shelf(&blocks)],
    );
    net.fetch(root);
    assert_eq!(net.fetched, [root]);
    let most = blocks.len() * 16;
    assert!(net.asked_bytes < most, "{} of {most}", net.asked_bytes);
}

#[test]
fn what_a_long_block_names_is_asked_for_by_hashes_lest_that_is_read_again_and_again() {
    let (root, blocks) = bundle(40);
    let config = ExchangeConfig {
        request_blocks: 2,
        ..ExchangeConfig::default()
    };
    let mut net = Net::new(config, vec![Shelf::default(), shelf(&blocks)]);
    net.fetch(root);
    assert_eq!(net.fetched, [root]);
    let manifest = blocks[1].0;
    assert_eq!(net.stores[1].read_often(&manifest), 1);
}

#[test]
fn what_cannot_be_found_by_its_place_any_more_is_asked_for_by_its_hash() {
    for role in [Role::Manifest, Role::Element] {
        let (root, blocks) = bundle(40);
        let store = shelf(&blocks);
        store.fading.set(Some(role));
        let mut net = Net::new(ExchangeConfig::default(), vec![Shelf::default(), store]);
        net.fetch(root);
        assert_eq!(net.fetched, [root]);
        assert_eq!(net.given[1], blocks.len());
    }
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let (_, most) = bundle(36);
    let (root, blocks) = bundle(40);
    let have: BTreeSet<ElementHash> = most.iter().map(|(hash, ..)| *hash).collect();
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![shelf(&most), shelf(&blocks)],
    );
    let lacks = blocks.iter().filter(|(hash, ..)| !have.contains(hash));
    let missing: usize = lacks.map(|(.., bytes)| bytes.len()).sum();
    net.fetch(root);
    assert_eq!(net.fetched, [root]);
    assert!(net.bytes * 10 < missing * 11, "{} for {missing}", net.bytes);
    // And a bundle that is there costs nothing.
    let bytes = net.bytes;
    net.fetch(root);
    assert_eq!((net.fetched.len(), net.bytes), (2, bytes));
}

#[test]
fn a_transfer_that_breaks_off_anywhere_goes_on_where_it_was_and_nothing_shows_before_it_is_whole() {
    let (root, blocks) = bundle(6);
    let config = ExchangeConfig {
        request_blocks: 4,
        store_bytes: 1,
        ..ExchangeConfig::default()
    };
    let whole = {
        let mut net = Net::new(config, vec![Shelf::default(), shelf(&blocks)]);
        net.fetch(root);
        net.bytes
    };
    for cut in (0..whole).step_by(97) {
        let mut net = Net::new(config, vec![Shelf::default(), shelf(&blocks)]);
        net.cut = cut;
        net.fetch(root);
        assert!(net.fetched.is_empty());
        // What is stored is whole below itself, for the shelf looks; and the root is not there.
        assert!(!net.stores[0].blocks.borrow().contains_key(&root));
        let had = net.stores[0].len();
        let stores = core::mem::take(&mut net.stores);
        let mut net = Net::new(config, stores);
        net.fetch(root);
        assert_eq!(net.fetched, [root]);
        assert_eq!(net.stores[0].len(), blocks.len());
        // Envelope and manifest come again, and some blocks that waited for others; no stored one does.
        assert!(net.stores[0].batches.get() >= blocks.len().min(had));
    }
}

#[test]
fn blocks_that_wait_for_others_stay_within_the_memory_there_is() {
    let (root, blocks) = bundle(60);
    let config = ExchangeConfig {
        held_bytes: 8_000,
        held_bytes_max: 40_000,
        store_bytes: 2_000,
        ..ExchangeConfig::default()
    };
    let mut net = Net::new(
        config,
        vec![Shelf::default(), shelf(&blocks), shelf(&blocks)],
    );
    net.fetch(root);
    assert_eq!(net.fetched, [root], "{:?}", net.failed);
    assert!(net.most_held <= 40_000, "{}", net.most_held);
}

#[test]
fn a_block_that_one_peer_lacks_is_asked_for_elsewhere_and_later_again() {
    let (root, blocks) = bundle(5);
    let half: Vec<_> = blocks.iter().step_by(2).cloned().collect();
    let other: Vec<_> = blocks.iter().skip(1).step_by(2).cloned().collect();
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![Shelf::default(), shelf(&half), shelf(&other)],
    );
    net.fetch(root);
    assert_eq!(net.fetched, [root]);

    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![Shelf::default(), shelf(&half)],
    );
    net.fetch(root);
    assert!(net.fetched.is_empty() && net.machines[0].missing() > 0);
    let retry = net.machines[0].next_timeout().unwrap();
    assert_eq!(retry, Timestamp::from_millis(30_000));
    for (hash, role, bytes) in &other {
        net.stores[1].put(*hash, *role, bytes.clone());
    }
    net.now = retry.as_millis();
    net.handle(0, Event::Timeout);
    net.run();
    assert_eq!(net.fetched, [root]);
    assert_eq!(net.machines[0].next_timeout(), None);
}

#[test]
fn what_a_peer_was_asked_for_is_asked_of_others_once_it_is_gone_or_silent() {
    let (root, blocks) = bundle(5);
    for is_silent in [false, true] {
        let stores = vec![Shelf::default(), shelf(&blocks), shelf(&blocks)];
        let mut net = Net::new(ExchangeConfig::default(), stores);
        net.handle(0, Event::Fetch(root, Role::Envelope));
        // The first request went to peer 1 and is lost.
        net.flights.clear();
        if is_silent {
            net.now = 15_000;
            net.handle(0, Event::Timeout);
            assert_eq!(net.gone, [(Peer::new(1), None)]);
        } else {
            net.handle(0, Event::Disconnected(Peer::new(1)));
        }
        net.run();
        assert_eq!(net.fetched, [root]);
        assert_eq!(net.stores[1].reads.get(), 0);
    }
}

#[test]
fn a_root_that_is_wanted_no_more_leaves_what_others_want() {
    let (one, blocks) = bundle(5);
    let (other, more) = bundle(6);
    let mut all = blocks.clone();
    all.extend(more.clone());
    let config = ExchangeConfig {
        request_blocks: 1,
        requests: 1,
        ..ExchangeConfig::default()
    };
    let mut net = Net::new(config, vec![Shelf::default(), shelf(&all)]);
    net.handle(0, Event::Fetch(one, Role::Envelope));
    net.handle(0, Event::Fetch(other, Role::Envelope));
    for _ in 0..40 {
        let Some((from, to, bytes)) = net.flights.pop_front() else {
            break;
        };
        let frame = FrameReader::new().next(&mut &bytes[..]).unwrap().unwrap();
        net.handle(from, Event::Sent(Peer::new(to as u64)));
        net.handle(to, Event::Message(Peer::new(from as u64), frame.message));
    }
    net.handle(0, Event::Cancel(one));
    net.run();
    assert_eq!(net.fetched, [other]);
    assert_eq!(
        (net.machines[0].held_bytes(), net.machines[0].missing()),
        (0, 0)
    );
}

#[test]
fn a_block_that_was_swept_meanwhile_is_fetched_again() {
    let (root, blocks) = bundle(5);
    let (_, most) = bundle(4);
    let most: Vec<_> = most
        .into_iter()
        .filter(|(_, role, _)| *role == Role::Element)
        .collect();
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![shelf(&most), shelf(&blocks)],
    );
    net.handle(0, Event::Fetch(root, Role::Envelope));
    for _ in 0..4 {
        let (from, to, bytes) = net.flights.pop_front().unwrap();
        let frame = FrameReader::new().next(&mut &bytes[..]).unwrap().unwrap();
        net.handle(from, Event::Sent(Peer::new(to as u64)));
        net.handle(to, Event::Message(Peer::new(from as u64), frame.message));
    }
    // The roots of the four tokens were looked for by now.
    net.stores[0].blocks.borrow_mut().clear();
    net.run();
    assert_eq!(net.fetched, [root]);
}

#[test]
fn a_store_that_fails_is_left_alone_for_a_while() {
    let (root, blocks) = bundle(3);
    let mut net = Net::new(
        ExchangeConfig::default(),
        vec![Shelf::default(), shelf(&blocks)],
    );
    net.stores[0].fails.set(true);
    net.fetch(root);
    assert!(net.fetched.is_empty());
    net.stores[0].fails.set(false);
    net.now = net.machines[0].next_timeout().unwrap().as_millis();
    net.handle(0, Event::Timeout);
    net.run();
    assert_eq!(net.fetched, [root]);
}

#[test]
fn engines_exchange_the_blocks_of_a_bundle_and_no_commits() {
    let (root, blocks) = bundle(20);
    let (one, other) = (0, 1);
    let stores = [one, other].map(|_| Engine::in_memory(EngineOptions::new()).unwrap());
    let mut batch = stores[other].begin();
    for (hash, role, bytes) in &blocks {
        let put = match role {
            Role::Element => batch.put(bytes).unwrap(),
            _ => batch.put_opaque(bytes).unwrap(),
        };
        assert_eq!(put, *hash);
        batch.pin(hash).unwrap();
    }
    batch.commit().unwrap();
    let _import = stores[one].begin_import();
    let mut net = Net::new(ExchangeConfig::default(), stores.to_vec());
    net.fetch(root);
    assert_eq!(net.fetched, [root]);
    let snapshot = stores[one].snapshot().unwrap();
    for (hash, _, bytes) in &blocks {
        assert_eq!(snapshot.get(hash).unwrap().unwrap().as_ref(), bytes);
    }
}

/// What a peer says, read.
pub(super) fn said(net: &mut Net<Shelf>) -> Vec<Message> {
    let flights = net.flights.drain(..);
    let read = flights.map(|(_, _, bytes)| FrameReader::new().next(&mut &bytes[..]));
    read.map(|frame| frame.unwrap().unwrap().message).collect()
}
