use core::cmp::Ordering;

use uxf_engine::oplog::ItemSum;
use uxf_engine::profile::LiveItem;

use super::item::is_before;
use crate::wire::Bound;

/// How much heavier one side of a node may be than the other, and when one rotation is not enough: the least integers for
/// which a weight-balanced tree stays balanced under inserting and removing.
const HEAVIER: u64 = 3;
const TWICE: u64 = 2;

type Link = Option<Box<Node>>;

#[derive(Debug)]
struct Node {
    item: LiveItem,
    /// Of all below and this one.
    sum: ItemSum,
    left: Link,
    right: Link,
}

/// Operations in order, with the sum of every part: inserting, removing, summing a range and finding the n-th take time
/// logarithmic in their number.
#[derive(Debug, Default)]
pub struct SumTree {
    root: Link,
}

impl SumTree {
    /// How many operations.
    pub fn len(&self) -> u64 {
        weight(&self.root)
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Inserts an operation; one at the same place is replaced.
    pub fn insert(&mut self, item: LiveItem) {
        self.root = Some(insert(self.root.take(), item));
    }

    /// Removes the operation at the place of this one.
    pub fn remove(&mut self, item: &LiveItem) {
        self.root = remove(self.root.take(), item);
    }

    /// The sum of the operations before a bound.
    pub fn sum_before(&self, bound: &Bound) -> ItemSum {
        let (mut sum, mut at) = (ItemSum::default(), &self.root);
        while let Some(node) = at {
            if is_before(&node.item, bound) {
                sum = sum.plus(&node.sum).minus(&sum_of(&node.right));
                at = &node.right;
            } else {
                at = &node.left;
            }
        }
        sum
    }

    /// The operation before which there are so many.
    pub fn nth(&self, mut rank: u64) -> Option<&LiveItem> {
        let mut at = &self.root;
        loop {
            let node = at.as_ref()?;
            let left = weight(&node.left);
            match rank.cmp(&left) {
                Ordering::Less => at = &node.left,
                Ordering::Equal => return Some(&node.item),
                Ordering::Greater => {
                    rank -= left + 1;
                    at = &node.right;
                }
            }
        }
    }
}

fn weight(link: &Link) -> u64 {
    link.as_ref().map_or(0, |node| node.sum.count())
}

fn sum_of(link: &Link) -> ItemSum {
    link.as_ref().map_or_else(ItemSum::default, |node| node.sum)
}

fn place(item: &LiveItem) -> (&[u8], &[u8]) {
    (item.key.as_bytes(), item.operation.as_bytes())
}

impl Node {
    fn leaf(item: LiveItem) -> Box<Self> {
        let sum = ItemSum::of(&item.hash);
        Box::new(Self {
            item,
            sum,
            left: None,
            right: None,
        })
    }

    fn sum_up(&mut self) {
        let own = ItemSum::of(&self.item.hash);
        self.sum = sum_of(&self.left).plus(&own).plus(&sum_of(&self.right));
    }
}

fn insert(link: Link, item: LiveItem) -> Box<Node> {
    let Some(mut node) = link else {
        return Node::leaf(item);
    };
    match place(&item).cmp(&place(&node.item)) {
        Ordering::Less => node.left = Some(insert(node.left.take(), item)),
        Ordering::Equal => node.item = item,
        Ordering::Greater => node.right = Some(insert(node.right.take(), item)),
    }
    balance(node)
}

fn remove(link: Link, item: &LiveItem) -> Link {
    let mut node = link?;
    match place(item).cmp(&place(&node.item)) {
        Ordering::Less => node.left = remove(node.left.take(), item),
        Ordering::Greater => node.right = remove(node.right.take(), item),
        Ordering::Equal => {
            let Some(right) = node.right.take() else {
                return node.left.take();
            };
            let (first, rest) = take_first(right);
            node.item = first;
            node.right = rest;
        }
    }
    Some(balance(node))
}

fn take_first(mut node: Box<Node>) -> (LiveItem, Link) {
    if let Some(left) = node.left.take() {
        let (first, rest) = take_first(left);
        node.left = rest;
        return (first, Some(balance(node)));
    }
    let Node { item, right, .. } = *node;
    (item, right)
}

fn balance(mut node: Box<Node>) -> Box<Node> {
    let (left, right) = (weight(&node.left) + 1, weight(&node.right) + 1);
    if right > HEAVIER * left {
        if let Some(child) = node.right.take() {
            let is_inner = weight(&child.left) + 1 >= TWICE * (weight(&child.right) + 1);
            node.right = Some(if is_inner { rotate_right(child) } else { child });
        }
        return rotate_left(node);
    }
    if left > HEAVIER * right {
        if let Some(child) = node.left.take() {
            let is_inner = weight(&child.right) + 1 >= TWICE * (weight(&child.left) + 1);
            node.left = Some(if is_inner { rotate_left(child) } else { child });
        }
        return rotate_right(node);
    }
    node.sum_up();
    node
}

fn rotate_left(mut node: Box<Node>) -> Box<Node> {
    let Some(mut child) = node.right.take() else {
        node.sum_up();
        return node;
    };
    node.right = child.left.take();
    node.sum_up();
    child.left = Some(node);
    child.sum_up();
    child
}

fn rotate_right(mut node: Box<Node>) -> Box<Node> {
    let Some(mut child) = node.left.take() else {
        node.sum_up();
        return node;
    };
    node.left = child.right.take();
    node.sum_up();
    child.right = Some(node);
    child.sum_up();
    child
}

#[cfg(test)]
impl SumTree {
    /// The longest way from the root.
    pub(super) fn depth(&self) -> usize {
        fn depth(link: &Link) -> usize {
            link.as_ref()
                .map_or(0, |node| 1 + depth(&node.left).max(depth(&node.right)))
        }
        depth(&self.root)
    }
}
