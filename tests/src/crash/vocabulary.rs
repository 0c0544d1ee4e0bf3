//! The tokens and blocks that a workload puts.

use std::collections::BTreeMap;

use uxf_codec::token::{AssembleOptions, Assembler, Deconstructor};
use uxf_codec::{ElementBatch, ElementHash, ElementSource, Error};
use uxf_testkit::{Blocks, Wallet};

use super::profile::Foreign;
use super::text;

/// Everything a workload may put, and what each thing refers to.
#[derive(Debug)]
pub struct Vocabulary {
    /// Tokens; the two versions of one id stand side by side.
    pub tokens: Vec<VocabularyToken>,
    /// Elements that name nothing.
    pub blocks: Vec<ElementHash>,
    /// What other devices of the profile wrote.
    pub(super) foreign: Foreign,
    elements: BTreeMap<ElementHash, VocabularyElement>,
}

/// A token in one of its versions.
#[derive(Debug)]
pub struct VocabularyToken {
    /// Its id.
    pub id: String,
    /// Its JSON.
    pub json: String,
    /// Its root element.
    pub root: ElementHash,
    /// The JSON that comes out of the store.
    pub assembled: Vec<u8>,
}

/// An element and the elements it names.
#[derive(Debug)]
pub struct VocabularyElement {
    /// Canonical bytes.
    pub bytes: Vec<u8>,
    /// Each once.
    pub links: Vec<ElementHash>,
}

impl ElementSource for Vocabulary {
    type Bytes<'a> = &'a [u8];

    fn element(&self, hash: &ElementHash) -> Result<Option<&[u8]>, Error> {
        Ok(self.elements.get(hash).map(|element| &*element.bytes))
    }
}

impl Vocabulary {
    /// So many tokens, in two versions each, and so many blocks.
    ///
    /// # Errors
    /// If the codec refuses one.
    pub fn new(seed: &str, tokens: u64, blocks: u64) -> Result<Self, String> {
        let mut vocabulary = Self {
            tokens: Vec::new(),
            blocks: Vec::new(),
            foreign: Foreign::new()?,
            elements: BTreeMap::new(),
        };
        for json in Wallet::with_seed(seed, tokens) {
            let other = json.replacen(r#""data":null"#, r#""data":"c0ffee""#, 1);
            vocabulary.add_token(json)?;
            vocabulary.add_token(other)?;
        }
        let source = Blocks::new(1);
        for block in 0..blocks {
            let bytes = source.bytes(block);
            let hash = ElementHash::of(&bytes);
            vocabulary.blocks.push(hash);
            let element = VocabularyElement {
                bytes,
                links: Vec::new(),
            };
            vocabulary.elements.insert(hash, element);
        }
        Ok(vocabulary)
    }

    /// An element by its hash.
    pub fn get(&self, hash: &ElementHash) -> Option<&VocabularyElement> {
        self.elements.get(hash)
    }

    /// All elements.
    pub fn elements(&self) -> impl Iterator<Item = (&ElementHash, &VocabularyElement)> {
        self.elements.iter()
    }

    fn add_token(&mut self, json: String) -> Result<(), String> {
        let mut batch = ElementBatch::new();
        let summary = Deconstructor::new()
            .deconstruct(json.as_bytes(), &mut batch)
            .map_err(text)?;
        for element in batch.iter() {
            let known = VocabularyElement {
                bytes: element.bytes.to_vec(),
                links: element.links.to_vec(),
            };
            self.elements.insert(element.hash, known);
        }
        let mut assembled = Vec::new();
        Assembler::new()
            .assemble(
                self,
                &summary.root,
                &AssembleOptions::default(),
                &mut assembled,
            )
            .map_err(text)?;
        self.tokens.push(VocabularyToken {
            id: summary.token_id.to_string(),
            json,
            root: summary.root,
            assembled,
        });
        Ok(())
    }
}
