//! An IPFS node as its RPC shows it, in memory, with faults on request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use cid::Cid;
use serde_json::json;
use uxf_codec::carriage::car::{CarLimits, CarReader};
use uxf_engine::bundles::parse_cid;
use uxf_testkit::http::{Answer, Request, Server};

use crate::samples::{car_of, cid_of};

pub(crate) struct Node {
    pub(crate) server: Server,
    pub(crate) state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) blocks: BTreeMap<String, Vec<u8>>,
    pub(crate) pins: BTreeSet<String>,
    pub(crate) fault: Fault,
    /// Requests that are answered 503 before others are served.
    pub(crate) busy: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Knows no archives.
    NoArchives,
    /// Says that it stored something else.
    OtherId,
    /// Says that it pinned, and does not.
    ForgetsPins,
    /// Says that it could not pin.
    CannotPin,
    /// Keeps what it pinned only as long as something else does.
    PinsIndirectly,
    /// Stores all blocks but the last.
    LosesOne,
}

impl Node {
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let ours = Arc::clone(&state);
        let server = Server::start(move |request| ours.lock().unwrap().answer(request)).unwrap();
        Self { server, state }
    }

    pub(crate) fn with(fault: Fault) -> Self {
        let node = Self::start();
        node.state.lock().unwrap().fault = fault;
        node
    }

    pub(crate) fn commands(&self) -> Vec<String> {
        let requests = self.server.requests();
        let path = |request: &Request| request.target.split('?').next().unwrap().to_owned();
        requests
            .iter()
            .map(path)
            .map(|path| path.replace("/api/v0/", ""))
            .collect()
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Answer {
        if self.busy > 0 {
            self.busy -= 1;
            return Answer::Body(503, "text/plain", b"busy".to_vec());
        }
        if request.method != "POST" {
            return Answer::Body(405, "text/plain", b"405 - Method Not Allowed".to_vec());
        }
        let path = request.target.split('?').next().unwrap();
        let arg = request.parameter("arg").unwrap_or_default().to_owned();
        match path {
            "/api/v0/dag/import" if self.fault != Fault::NoArchives => self.import(request),
            "/api/v0/block/put" => self.put(request),
            "/api/v0/block/stat" => match self.blocks.get(&arg) {
                Some(block) => document(&json!({ "Key": arg, "Size": block.len() })),
                None => lacks(&arg),
            },
            "/api/v0/block/get" => match self.blocks.get(&arg) {
                // Kubo calls it so.
                Some(block) => Answer::ok("text/plain", block.clone()),
                None => lacks(&arg),
            },
            "/api/v0/dag/export" if self.fault != Fault::NoArchives => self.export(&arg),
            "/api/v0/pin/add" => {
                if !self.blocks.contains_key(&arg) {
                    return lacks(&arg);
                }
                self.pin(&arg);
                document(&json!({ "Pins": [arg] }))
            }
            "/api/v0/pin/ls" if self.pins.contains(&arg) => {
                let state = match self.fault {
                    Fault::PinsIndirectly => "indirect through bafyreiabc",
                    _ => "recursive",
                };
                document(&json!({ "Keys": { arg: { "Type": state } } }))
            }
            "/api/v0/pin/rm" if self.pins.remove(&arg) => document(&json!({ "Pins": [arg] })),
            "/api/v0/pin/ls" => failed(&format!("path '{arg}' is not pinned")),
            "/api/v0/pin/rm" => failed("not pinned or pinned indirectly"),
            _ => Answer::Body(404, "text/plain", b"404 page not found".to_vec()),
        }
    }

    fn pin(&mut self, cid: &str) {
        if self.fault != Fault::ForgetsPins {
            self.pins.insert(cid.to_owned());
        }
    }

    fn import(&mut self, request: &Request) -> Answer {
        let file = request.file().unwrap();
        let Ok(mut reader) = CarReader::new(file, CarLimits::REFERENCE) else {
            return failed("malformed CAR");
        };
        let root = reader.roots().first().unwrap().to_string();
        let mut last = None;
        while let Some(block) = reader.next_block().unwrap() {
            let cid = block.cid.to_cid().unwrap().to_string();
            last = Some(cid.clone());
            self.blocks.insert(cid, block.bytes.to_vec());
        }
        if self.fault == Fault::LosesOne {
            self.blocks.remove(&last.unwrap());
        }
        self.pin(&root);
        let (said, error) = match self.fault {
            Fault::OtherId => (cid_of(b"other").to_string(), ""),
            Fault::CannotPin => (root, "block was not there"),
            _ => (root, ""),
        };
        document(&json!({ "Root": { "Cid": { "/": said }, "PinErrorMsg": error } }))
    }

    fn put(&mut self, request: &Request) -> Answer {
        let block = request.file().unwrap().to_vec();
        let codec = match request.parameter("cid-codec") {
            Some("raw") => 0x55,
            _ => 0x71,
        };
        let cid = Cid::new_v1(codec, *cid_of(&block).hash()).to_string();
        let len = block.len();
        self.blocks.insert(cid.clone(), block);
        let said = match self.fault {
            Fault::OtherId => cid_of(b"other").to_string(),
            _ => cid,
        };
        document(&json!({ "Key": said, "Size": len }))
    }

    /// All it has, as if the root led to it.
    fn export(&self, root: &str) -> Answer {
        if !self.blocks.contains_key(root) {
            return lacks(root);
        }
        let blocks = self.blocks.iter();
        let blocks: Vec<(Cid, Vec<u8>)> = blocks
            .map(|(cid, block)| (parse_cid(cid).unwrap(), block.clone()))
            .collect();
        Answer::ok(
            "application/vnd.ipld.car",
            car_of(&parse_cid(root).unwrap(), &blocks),
        )
    }
}

fn document(document: &serde_json::Value) -> Answer {
    Answer::ok("application/json", format!("{document}\n"))
}

fn failed(message: &str) -> Answer {
    let body = json!({ "Message": message, "Code": 0, "Type": "error" }).to_string();
    Answer::Body(500, "application/json", body.into_bytes())
}

fn lacks(cid: &str) -> Answer {
    failed(&format!(
        "block was not found locally (offline): ipld: could not find {cid}"
    ))
}
