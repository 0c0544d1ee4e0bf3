use std::collections::BTreeSet;

use uxf_codec::canonical::ElementView;
use uxf_codec::token::{self, AssembleOptions, Assembler, Deconstructor, StateIndex};
use uxf_codec::{Element, ElementBatch, ElementHash, ErrorCode, NewElement};

use super::{Verdict, Violation, ensure, must};
use crate::MapSource;

/// States of a token that are assembled; the others follow the same path.
const STATES_MAX: u64 = 8;

/// What is taken in comes out again: elements are canonical and whole, the token assembles at every state, and a
/// second pass changes nothing.
pub(super) fn check(text: &[u8]) -> Verdict {
    let mut batch = ElementBatch::new();
    let mut deconstructor = Deconstructor::new();
    let first = deconstructor.deconstruct(text, &mut batch);
    let mut again = ElementBatch::new();
    let second = deconstructor.deconstruct(text, &mut again);
    ensure(format!("{first:?}") == format!("{second:?}"), || {
        format!("used again it says {second:?} where it said {first:?}")
    })?;
    let Ok(summary) = first else {
        return Ok(());
    };
    let mut put = BTreeSet::new();
    for (element, again) in batch.iter().zip(again.iter()) {
        ensure(element.bytes == again.bytes, || {
            "used again it gives other elements".to_owned()
        })?;
        check_element(&element, &put)?;
        put.insert(element.hash);
    }
    let source = MapSource::of(&batch);
    let read_back = must("no summary", token::summary_of_root(&source, &summary.root))?;
    ensure(format!("{read_back:?}") == format!("{summary:?}"), || {
        format!("{summary:?} is read back as {read_back:?}")
    })?;
    check_states(&source, &summary.root)?;
    let once = assemble(&source, &summary.root, StateIndex::Latest)?;
    let twice = pass_through(&once)?;
    let thrice = pass_through(&twice)?;
    ensure(twice == thrice, || {
        "a second pass changes the token".to_owned()
    })
}

/// An element is the one encoding of itself, and what it names came before it.
fn check_element(element: &NewElement<'_>, put: &BTreeSet<ElementHash>) -> Verdict {
    let hash = element.hash;
    ensure(ElementHash::of(element.bytes) == hash, || {
        format!("{hash} has another hash")
    })?;
    let view = must("no canonical element", ElementView::parse(element.bytes))?;
    let (mut in_bytes, mut given) = (Vec::new(), element.links.to_vec());
    view.distinct_links(&mut in_bytes);
    given.sort_unstable();
    ensure(in_bytes == given, || {
        format!("{hash} has other links than its bytes")
    })?;
    ensure(in_bytes.iter().all(|link| put.contains(link)), || {
        format!("{hash} came before what it names")
    })?;
    let again = must(
        "no memory form",
        Element::from_view(&view, element.form).encode(),
    )?;
    ensure(again == element.bytes, || {
        format!("{hash} in memory form encodes otherwise")
    })
}

fn check_states(source: &MapSource, root: &ElementHash) -> Verdict {
    let count = must("no count", token::transaction_count(source, root))?;
    for index in (0..=count).take(usize::try_from(STATES_MAX).unwrap_or(usize::MAX)) {
        assemble(source, root, StateIndex::At(index))?;
    }
    let mut out = b"kept".to_vec();
    let options = AssembleOptions {
        state: StateIndex::At(count + 1),
        ..AssembleOptions::default()
    };
    let past_end = Assembler::new().assemble(source, root, &options, &mut out);
    let code = past_end.err().map(|error| error.code());
    ensure(
        code == Some(ErrorCode::StateIndexOutOfRange) && out == b"kept",
        || format!("past the end: {code:?}"),
    )
}

fn assemble(
    source: &MapSource,
    root: &ElementHash,
    state: StateIndex,
) -> Result<Vec<u8>, Violation> {
    let mut out = Vec::new();
    let options = AssembleOptions {
        state,
        ..AssembleOptions::default()
    };
    let assembled = Assembler::new().assemble(source, root, &options, &mut out);
    must("what was taken in does not assemble", assembled)?;
    Ok(out)
}

fn pass_through(text: &[u8]) -> Result<Vec<u8>, Violation> {
    let mut batch = ElementBatch::new();
    let summary = must(
        "an assembled token is refused",
        token::deconstruct(text, &mut batch),
    )?;
    assemble(&MapSource::of(&batch), &summary.root, StateIndex::Latest)
}
