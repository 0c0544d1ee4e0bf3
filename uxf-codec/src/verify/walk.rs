use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::element::check_element;
use super::{Finding, Issue, VerifyProfile};
use crate::canonical::{ChildView, ElementView};
use crate::element::{ElementHash, ElementSource, ElementType, KeyOrder};
use crate::error::Error;
use crate::instance_chain::{ChainEntry, ChainIndex};
use crate::limits::{VERIFY_DEPTH_MAX, VERIFY_ISSUES_MAX};
use crate::package::TokenId;

/// What a walk looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalkOptions {
    /// How much is looked at on the way.
    pub profile: VerifyProfile,
    /// Whether every element is hashed the first time it is met. Default: no; a package is hashed as a whole before.
    pub check_hashes: bool,
}

/// Follows tokens from their roots through all that they name, and lists what is missing or does not fit.
///
/// One walker serves any number of tokens of one source. With [`VerifyProfile::Complete`] it goes into an element
/// that several tokens share only once, unless something is wrong below it. It keeps one small record for each element
/// it has met, and no element itself; its stack is its own, so no depth of a graph can exhaust the thread's.
#[derive(Debug, Default)]
pub struct Walker {
    options: WalkOptions,
    met: IndexMap<ElementHash, Record>,
    /// Chains by their address; each is kept alive here, so that no other one can take its address.
    chains: BTreeMap<usize, (Arc<ChainEntry>, Record)>,
    frames: Vec<Frame>,
    steps: Vec<Step>,
    /// Number of the current token, from 1.
    token: u32,
}

/// What is known of an element, or of a chain as a whole.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    /// The last token in which it was finished.
    finished_in: u32,
    is_on_path: bool,
    is_checked: bool,
    /// Whether its bytes are not what they are filed as.
    is_broken: bool,
    /// How many steps lead down from it, if nothing is wrong there.
    clean_height: Option<usize>,
}

/// An element on the current path, with its instances.
#[derive(Debug)]
struct Frame {
    hash: ElementHash,
    chain: Option<usize>,
    /// Where its steps begin on the stack of steps; it is finished when they are taken.
    steps_start: usize,
    height: usize,
    is_clean: bool,
}

/// A reference that is still to be followed.
#[derive(Debug)]
struct Step {
    hash: ElementHash,
    parent: Option<ElementType>,
    role: Cow<'static, str>,
    expected: Option<ElementType>,
}

/// What became of a step.
enum Arrival {
    /// It was not entered; this many steps lead down from it, if nothing is wrong there.
    Known(Option<usize>),
    /// It was entered and its own steps are on the stack.
    Entered,
}

/// What a walk runs over and reports to.
struct Course<'c, S> {
    source: &'c S,
    chains: &'c ChainIndex,
    token_id: &'c TokenId,
    issues: &'c mut Vec<Issue>,
}

impl<S> Course<'_, S> {
    fn found(&mut self, element: ElementHash, finding: Finding) {
        self.issues.push(Issue {
            token_id: Some(self.token_id.clone()),
            element: Some(element),
            finding,
        });
    }
}

impl Walker {
    /// A walker that has met nothing yet.
    pub fn new(options: WalkOptions) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Follows one token and adds what it finds to `issues`, until there are [`VERIFY_ISSUES_MAX`].
    ///
    /// Whether the root is a token-root of this token is for the caller to see. Children are followed in the order in
    /// which the source holds them, which decides the order of the issues.
    ///
    /// # Errors
    /// Only what the source fails with; the walker is then to be dropped.
    pub fn walk_token<S: ElementSource>(
        &mut self,
        source: &S,
        chains: &ChainIndex,
        token_id: &TokenId,
        root: &ElementHash,
        issues: &mut Vec<Issue>,
    ) -> Result<(), Error> {
        let mut course = Course {
            source,
            chains,
            token_id,
            issues,
        };
        self.walk(&mut course, *root)
    }

    /// Distinct elements met so far, absent ones included.
    pub fn elements_checked(&self) -> usize {
        self.met.len()
    }

    /// Whether a walk has come to this element.
    pub fn has_met(&self, hash: &ElementHash) -> bool {
        self.met.contains_key(hash)
    }

    fn walk<S: ElementSource>(
        &mut self,
        course: &mut Course<'_, S>,
        root: ElementHash,
    ) -> Result<(), Error> {
        self.token = self.token.saturating_add(1);
        self.steps.push(Step {
            hash: root,
            parent: None,
            role: Cow::Borrowed("root"),
            expected: None,
        });
        loop {
            let floor = self.frames.last().map_or(0, |frame| frame.steps_start);
            if self.steps.len() > floor && course.issues.len() < VERIFY_ISSUES_MAX {
                if let Some(step) = self.steps.pop()
                    && let Arrival::Known(height) = self.arrive(course, &step)?
                {
                    self.note_child(height);
                }
                continue;
            }
            self.steps.truncate(floor);
            let Some(frame) = self.frames.pop() else {
                return Ok(());
            };
            let height = self.leave(&frame, course.issues.len() < VERIFY_ISSUES_MAX);
            self.note_child(height);
        }
    }

    /// Tells the element on top of the path about one of its children.
    fn note_child(&mut self, height: Option<usize>) {
        if let Some(frame) = self.frames.last_mut() {
            match height {
                Some(height) => frame.height = frame.height.max(height + 1),
                None => frame.is_clean = false,
            }
        }
    }

    fn leave(&mut self, frame: &Frame, is_whole: bool) -> Option<usize> {
        let height = (frame.is_clean && is_whole).then_some(frame.height);
        let token = self.token;
        let finish = |record: &mut Record| {
            record.is_on_path = false;
            record.finished_in = token;
            record.clean_height = height;
        };
        self.met.get_mut(&frame.hash).map(finish);
        if let Some((_, record)) = frame.chain.and_then(|id| self.chains.get_mut(&id)) {
            finish(record);
        }
        height
    }

    fn arrive<S: ElementSource>(
        &mut self,
        course: &mut Course<'_, S>,
        step: &Step,
    ) -> Result<Arrival, Error> {
        let hash = step.hash;
        let depth = self.frames.len();
        if depth > VERIFY_DEPTH_MAX {
            course.found(hash, Finding::TooDeep);
            return Ok(Arrival::Known(None));
        }
        let own = *self.met.entry(hash).or_default();
        let chain = course.chains.get(&hash);
        // The instances of a chain stand or fall together.
        let known = chain.map_or(own, |entry| {
            let fresh = || (Arc::clone(entry), Record::default());
            self.chains
                .entry(Arc::as_ptr(entry).addr())
                .or_insert_with(fresh)
                .1
        });
        if own.is_on_path || known.is_on_path {
            course.found(hash, Finding::Cycle);
            return Ok(Arrival::Known(None));
        }
        let is_complete = self.options.profile == VerifyProfile::Complete;
        if own.finished_in == self.token && !is_complete {
            return Ok(Arrival::Known(known.clean_height));
        }
        let Some((bytes, form)) = course.source.element_in_form(&hash)? else {
            let parent = step.parent.unwrap_or(ElementType::TokenRoot);
            let role = step.role.clone().into_owned();
            course.found(hash, Finding::Missing { parent, role });
            return Ok(Arrival::Known(None));
        };
        let Some(view) = self.checked(course, hash, bytes.as_ref()) else {
            return Ok(Arrival::Known(None));
        };
        let fits = fits_role(step, &view, course);
        let is_clean = |height| is_complete && depth + height <= VERIFY_DEPTH_MAX;
        if known.finished_in == self.token || known.clean_height.is_some_and(is_clean) {
            if let Some(record) = self.met.get_mut(&hash) {
                record.finished_in = self.token;
            }
            return Ok(Arrival::Known(known.clean_height.filter(|_| fits)));
        }
        if let Some(parent) = self.frames.last_mut() {
            // A wrong type is a fault of the reference, not of what it leads to.
            parent.is_clean &= fits;
        }
        self.enter(course, hash, (&view, form.order), chain)?;
        Ok(Arrival::Entered)
    }

    /// An element that has been met, unless its bytes are not what they are filed as.
    fn checked<'v, S>(
        &mut self,
        course: &mut Course<'_, S>,
        hash: ElementHash,
        bytes: &'v [u8],
    ) -> Option<ElementView<'v>> {
        let record = self.met.entry(hash).or_default();
        if self.options.check_hashes && !record.is_checked {
            record.is_checked = true;
            if let Some(finding) = check_element(&hash, bytes) {
                record.is_broken = true;
                course.found(hash, finding);
            }
        }
        // Where hashes are not checked here they have been checked before, and with them what is no element.
        (!record.is_broken)
            .then(|| ElementView::parse(bytes).ok())
            .flatten()
    }

    /// Puts an element on the path and everything that it and its instances name on the stack.
    fn enter<S: ElementSource>(
        &mut self,
        course: &mut Course<'_, S>,
        hash: ElementHash,
        (view, order): (&ElementView<'_>, KeyOrder),
        chain: Option<&Arc<ChainEntry>>,
    ) -> Result<(), Error> {
        let steps_start = self.steps.len();
        let mut is_clean = true;
        let members = chain.into_iter().flat_map(|entry| &entry.chain);
        for member in members.filter(|member| member.hash != hash) {
            // Absent instances are a fault of the chain and found there.
            let Some((bytes, form)) = course.source.element_in_form(&member.hash)? else {
                continue;
            };
            match self.checked(course, member.hash, bytes.as_ref()) {
                Some(view) => self.push_steps(&view, form.order),
                None => is_clean = false,
            }
        }
        self.push_steps(view, order);
        // The stack gives back last what came first.
        if let Some(steps) = self.steps.get_mut(steps_start..) {
            steps.reverse();
        }
        let chain = chain.map(|entry| Arc::as_ptr(entry).addr());
        if let Some((_, record)) = chain.and_then(|id| self.chains.get_mut(&id)) {
            record.is_on_path = true;
        }
        self.met.entry(hash).or_default().is_on_path = true;
        self.frames.push(Frame {
            hash,
            chain,
            steps_start,
            height: 0,
            is_clean,
        });
        Ok(())
    }

    fn push_steps(&mut self, view: &ElementView<'_>, order: KeyOrder) {
        let parent = view.element_type();
        let known_roles = parent.child_order();
        let mut roles: Vec<_> = view.children().collect();
        if order == KeyOrder::Ingested {
            let place = |role: &str| known_roles.iter().position(|known| *known == role);
            roles.sort_by_key(|(role, _)| place(role).unwrap_or(usize::MAX));
        }
        for (role, child) in roles {
            let expected = self.expected(parent, role, child);
            let known = known_roles.iter().find(|known| **known == role);
            let role = known.map_or_else(
                || Cow::Owned(role.to_owned()),
                |known| Cow::Borrowed(*known),
            );
            let step = |hash| Step {
                hash,
                parent: Some(parent),
                role: role.clone(),
                expected,
            };
            match child {
                ChildView::Absent => {}
                ChildView::One(hash) => self.steps.push(step(hash)),
                ChildView::Many(list) => self.steps.extend(list.iter().map(step)),
            }
        }
        if self.options.profile == VerifyProfile::Complete {
            self.steps.extend(view.nametag_refs().map(|hash| Step {
                hash,
                parent: Some(parent),
                role: Cow::Borrowed("nametagRefs"),
                expected: Some(ElementType::TokenRoot),
            }));
        }
    }

    /// The type that a role asks for. The reference asks for none where an array stands in the place of one element
    /// or the other way round, nor of pending authenticators.
    fn expected(
        &self,
        parent: ElementType,
        role: &str,
        child: ChildView<'_>,
    ) -> Option<ElementType> {
        let is_array_role =
            parent == ElementType::TokenRoot && matches!(role, "transactions" | "nametags");
        let is_array = matches!(child, ChildView::Many(_));
        match self.options.profile {
            VerifyProfile::Exact if is_array != is_array_role => None,
            VerifyProfile::Complete
                if parent == ElementType::Transaction && role == "pendingAuthenticator" =>
            {
                Some(ElementType::PendingAuthenticator)
            }
            _ => parent.child_type(role),
        }
    }
}

/// Whether an element has the type that its role asks for; says so if not.
fn fits_role<S>(step: &Step, view: &ElementView<'_>, course: &mut Course<'_, S>) -> bool {
    let found = view.element_type();
    match (step.expected, step.parent) {
        (Some(expected), Some(parent)) if expected != found => {
            let role = step.role.clone().into_owned();
            course.found(
                step.hash,
                Finding::ChildType {
                    parent,
                    role,
                    expected,
                    found,
                },
            );
            false
        }
        _ => true,
    }
}
