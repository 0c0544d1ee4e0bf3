//! A network that is slow, loses, doubles, reorders, parts and breaks, as a seed decides.

use std::collections::{BTreeMap, BTreeSet};

use crate::Rng;

/// How bad a network is.
#[derive(Clone, Copy, Debug)]
pub struct NetworkOptions {
    /// Least and greatest delay of a piece, in milliseconds.
    pub delay_ms: (u64, u64),
    /// Longest piece of a stream, in bytes: what is sent arrives cut anywhere.
    pub piece_bytes: usize,
    /// Of a hundred datagrams, how many are lost, and how many of the others come twice.
    pub lost_percent: u64,
    /// See `lost_percent`.
    pub doubled_percent: u64,
}

/// Something that reaches a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The next bytes of a stream.
    Bytes {
        /// The stream.
        connection: u64,
        /// Who gets them.
        to: usize,
        /// What was sent, cut anywhere.
        bytes: Vec<u8>,
    },
    /// A stream broke: nothing more comes, and what was on its way may be lost from any byte on.
    Broken {
        /// The stream.
        connection: u64,
        /// Who is told.
        to: usize,
    },
    /// A datagram, in whatever order.
    Datagram {
        /// Who sent it.
        from: usize,
        /// Who gets it.
        to: usize,
        /// All of it.
        bytes: Vec<u8>,
    },
}

/// What happened on a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// Pieces of streams that arrived, and their bytes.
    pub pieces: u64,
    /// See `pieces`.
    pub bytes: u64,
    /// Streams that broke.
    pub broken: u64,
    /// Datagrams that were lost.
    pub lost: u64,
    /// Datagrams that came twice.
    pub doubled: u64,
}

/// Nodes, numbered from zero, and what is on its way between them. Time passes when the next delivery is taken.
///
/// ```
/// use uxf_testkit::network::{Delivery, Network, NetworkOptions};
///
/// let options =
///     NetworkOptions { delay_ms: (5, 9), piece_bytes: 2, lost_percent: 0, doubled_percent: 0 };
/// let mut network = Network::new(7, options);
/// let connection = network.connect(0, 1).unwrap();
/// network.send(connection, 0, b"abc");
/// let mut got = Vec::new();
/// while let Some((_, Delivery::Bytes { bytes, .. })) = network.next(100) {
///     got.extend(bytes);
/// }
/// assert_eq!(got, b"abc");
/// ```
#[derive(Debug)]
pub struct Network {
    rng: Rng,
    options: NetworkOptions,
    now: u64,
    /// What is on its way, by when it arrives and a number that makes that unique.
    flights: BTreeMap<(u64, u64), Delivery>,
    sent: u64,
    /// The ends of each open stream, and when the last piece to each arrives.
    streams: BTreeMap<u64, [(usize, u64); 2]>,
    opened: u64,
    /// Nodes on the far side of a partition.
    apart: BTreeSet<usize>,
    counts: NetworkCounts,
}

impl Network {
    /// A network without streams.
    pub fn new(seed: u64, options: NetworkOptions) -> Self {
        Self {
            rng: Rng::new(seed),
            options,
            now: 0,
            flights: BTreeMap::new(),
            sent: 0,
            streams: BTreeMap::new(),
            opened: 0,
            apart: BTreeSet::new(),
            counts: NetworkCounts::default(),
        }
    }

    /// What time it is, in milliseconds.
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// What happened so far.
    pub const fn counts(&self) -> NetworkCounts {
        self.counts
    }

    /// Opens a stream between two nodes; `None` if they are apart.
    pub fn connect(&mut self, one: usize, other: usize) -> Option<u64> {
        if self.apart.contains(&one) != self.apart.contains(&other) {
            return None;
        }
        self.opened += 1;
        let ends = [(one, self.now), (other, self.now)];
        self.streams.insert(self.opened, ends);
        Some(self.opened)
    }

    /// The open streams and their ends.
    pub fn streams(&self) -> impl Iterator<Item = (u64, usize, usize)> + '_ {
        let streams = self.streams.iter();
        streams.map(|(number, [(one, _), (other, _)])| (*number, *one, *other))
    }

    /// Sends bytes over a stream; into a broken one they vanish.
    pub fn send(&mut self, connection: u64, from: usize, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let most = self.options.piece_bytes.clamp(1, rest.len());
            let len = 1 + self.rng.index(most);
            let (piece, behind) = rest.split_at(len.min(rest.len()));
            rest = behind;
            let delay = self.delay();
            let Some(ends) = self.streams.get_mut(&connection) else {
                return;
            };
            let Some((to, last)) = ends.iter_mut().find(|(end, _)| *end != from) else {
                return;
            };
            // A stream keeps its order.
            *last = (*last).max(self.now + delay);
            let (to, at) = (*to, *last);
            let bytes = piece.to_vec();
            let delivery = Delivery::Bytes {
                connection,
                to,
                bytes,
            };
            self.fly(at, delivery);
        }
    }

    /// Sends a datagram.
    pub fn datagram(&mut self, from: usize, to: usize, bytes: &[u8]) {
        if self.rng.percent(self.options.lost_percent)
            || self.apart.contains(&from) != self.apart.contains(&to)
        {
            self.counts.lost += 1;
            return;
        }
        let doubled = self.rng.percent(self.options.doubled_percent);
        self.counts.doubled += u64::from(doubled);
        for _ in 0..=u64::from(doubled) {
            let at = self.now + self.delay();
            let bytes = bytes.to_vec();
            self.fly(at, Delivery::Datagram { from, to, bytes });
        }
    }

    /// Breaks a stream: what is on its way is lost from a random byte on, in both directions, and both ends are told.
    pub fn cut(&mut self, connection: u64) {
        let Some(ends) = self.streams.remove(&connection) else {
            return;
        };
        self.counts.broken += 1;
        for (to, last) in ends {
            let on_way = |delivery: &Delivery| matches!(delivery, Delivery::Bytes { connection: of, to: end, .. } if *of == connection && *end == to);
            let flights = self.flights.iter();
            let all: Vec<(u64, u64)> = flights
                .filter(|(_, delivery)| on_way(delivery))
                .map(|(key, _)| *key)
                .collect();
            let whole = self.rng.index(all.len() + 1);
            for (number, key) in all.iter().enumerate().skip(whole) {
                match self.flights.get_mut(key) {
                    Some(Delivery::Bytes { bytes, .. }) if number == whole => {
                        let len = self.rng.index(bytes.len());
                        bytes.truncate(len);
                    }
                    _ => {
                        self.flights.remove(key);
                    }
                }
            }
            let at = last.max(self.now) + self.delay();
            self.fly(at, Delivery::Broken { connection, to });
        }
    }

    /// Parts some nodes from the others: streams between the two sides break, and none can be opened.
    pub fn part(&mut self, apart: BTreeSet<usize>) {
        self.apart = apart;
        let across = self.streams();
        let across =
            across.filter(|(_, one, other)| self.apart.contains(one) != self.apart.contains(other));
        let across: Vec<u64> = across.map(|(number, ..)| number).collect();
        for connection in across {
            self.cut(connection);
        }
    }

    /// Brings all nodes together again.
    pub fn heal(&mut self) {
        self.apart.clear();
    }

    /// Takes the next delivery, if it comes by some time; otherwise it is that time then.
    pub fn next(&mut self, until: u64) -> Option<(u64, Delivery)> {
        let next = self.flights.first_entry();
        let next = next.filter(|next| next.key().0 <= until);
        let Some(next) = next else {
            self.now = self.now.max(until);
            return None;
        };
        let ((at, _), delivery) = next.remove_entry();
        self.now = self.now.max(at);
        if let Delivery::Bytes { bytes, .. } = &delivery {
            self.counts.pieces += 1;
            self.counts.bytes += bytes.len() as u64;
        }
        Some((self.now, delivery))
    }

    /// When the next delivery comes.
    pub fn next_at(&self) -> Option<u64> {
        self.flights.first_key_value().map(|((at, _), _)| *at)
    }

    fn delay(&mut self) -> u64 {
        let (least, greatest) = self.options.delay_ms;
        least + self.rng.below(greatest.saturating_sub(least) + 1)
    }

    fn fly(&mut self, at: u64, delivery: Delivery) {
        self.sent += 1;
        self.flights.insert((at, self.sent), delivery);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: NetworkOptions = NetworkOptions {
        delay_ms: (1, 50),
        piece_bytes: 7,
        lost_percent: 30,
        doubled_percent: 30,
    };

    fn take(network: &mut Network) -> Vec<(u64, Delivery)> {
        core::iter::from_fn(|| network.next(10_000)).collect()
    }

    #[test]
    fn a_stream_keeps_its_order_and_a_cut_one_is_whole_up_to_some_byte() {
        let mut cut_short = 0;
        for seed in 0..200 {
            let mut network = Network::new(seed, BAD);
            let connection = network.connect(0, 1).unwrap();
            let sent: Vec<u8> = (0..100).collect();
            network.send(connection, 0, &sent);
            let is_cut = seed % 2 == 0;
            if is_cut {
                network.cut(connection);
            }
            let (mut got, mut broken) = (Vec::new(), 0);
            for (_, delivery) in take(&mut network) {
                match delivery {
                    Delivery::Bytes { bytes, .. } => {
                        assert_eq!(broken, 0);
                        got.extend(bytes);
                    }
                    Delivery::Broken { to: 1, .. } => broken += 1,
                    _ => {}
                }
            }
            assert!(sent.starts_with(&got));
            assert_eq!(broken == 1, is_cut);
            assert!(is_cut || got.len() == 100);
            cut_short += u64::from(got.len() < 100);
        }
        assert!(cut_short > 50, "{cut_short}");
    }

    #[test]
    fn datagrams_are_lost_doubled_and_reordered() {
        let mut network = Network::new(1, BAD);
        for number in 0..200 {
            network.datagram(0, 1, &[number]);
        }
        let got = take(&mut network);
        let order: Vec<u8> = got
            .iter()
            .filter_map(|(_, delivery)| match delivery {
                Delivery::Datagram { bytes, .. } => bytes.first().copied(),
                _ => None,
            })
            .collect();
        assert!(!order.is_sorted());
        let counts = network.counts();
        assert_eq!(order.len() as u64, 200 - counts.lost + counts.doubled);
        assert!(counts.lost > 20 && counts.doubled > 20);
    }

    #[test]
    fn what_is_apart_cannot_meet_before_it_is_healed_and_a_seed_replays() {
        let run = |seed| {
            let mut network = Network::new(seed, BAD);
            let connection = network.connect(0, 1).unwrap();
            network.send(connection, 1, &[7; 50]);
            network.part(BTreeSet::from([1]));
            assert_eq!(network.connect(0, 1), None);
            assert!(network.connect(0, 2).is_some());
            network.heal();
            assert!(network.connect(0, 1).is_some());
            take(&mut network)
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
    }
}
