use core::time::Duration;
use std::io::{self, Read};

use cid::Cid;
use ureq::http::Response;
use ureq::{Agent, Body, BodyReader, Error as HttpError, Proxy, SendBody};

use super::authorization::Authorization;
use super::base_url::BaseUrl;
use crate::bulk::error::{BulkError, shown};
use crate::bulk::fetch::timed_out;
use crate::bulk::stage::Stage;

/// Requests to one server: bounded in time and size, of few redirects, and typed where they fail.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    base: BaseUrl,
    authorization: Option<Authorization>,
    redirects_max: u32,
}

/// An answer whose body has not been read.
pub(super) struct Answer<'c> {
    client: &'c Client,
    response: Response<Body>,
    time: Duration,
}

/// Which answers may hold blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    /// Of a gateway: no text and no document.
    FromGateway,
    /// Of a node, which calls blocks plain text.
    FromNode,
}

/// Most of an answer that is read when it is an error.
const MESSAGE_BYTES_MAX: u64 = 4_096;

impl Client {
    pub(super) fn new(
        base: BaseUrl,
        authorization: Option<Authorization>,
        redirects_max: u32,
    ) -> Result<Self, BulkError> {
        if authorization.is_some() && !base.is_https() && !base.is_loopback() {
            return Err(BulkError::InvalidOption {
                option: "authorization",
                reason: "would be sent where everybody on the way can read it; use https",
            });
        }
        let proxy = (!base.is_loopback()).then(Proxy::try_from_env).flatten();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(base.is_https())
            .max_redirects(redirects_max)
            .max_redirects_will_error(true)
            .max_response_header_size(32 << 10)
            .proxy(proxy)
            .user_agent(concat!("uxf/", env!("CARGO_PKG_VERSION")));
        let config = super::tls::configure(config, &base)?;
        Ok(Self {
            agent: config.build().new_agent(),
            base,
            authorization,
            redirects_max,
        })
    }

    pub(super) fn name(&self) -> &str {
        self.base.as_str()
    }

    pub(super) const fn is_loopback(&self) -> bool {
        self.base.is_loopback()
    }

    pub(super) fn get(
        &self,
        path: &str,
        accept: &str,
        time: Duration,
    ) -> Result<Answer<'_>, BulkError> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let mut request = request.header("accept", accept);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.header());
        }
        let response = request.config().timeout_global(Some(time)).build().call();
        self.answer(response, time)
    }

    pub(super) fn head(&self, path: &str, time: Duration) -> Result<Answer<'_>, BulkError> {
        let mut request = self.agent.head(format!("{}{path}", self.base));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.header());
        }
        let response = request.config().timeout_global(Some(time)).build().call();
        self.answer(response, time)
    }

    /// Sends a body, or none.
    pub(super) fn post(
        &self,
        path: &str,
        body: Option<(&str, &mut dyn Read)>,
        time: Duration,
    ) -> Result<Answer<'_>, BulkError> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.header());
        }
        let request = match &body {
            Some((content_type, _)) => request.header("content-type", *content_type),
            None => request,
        };
        let request = request.config().timeout_global(Some(time)).build();
        let response = match body {
            Some((_, body)) => request.send(SendBody::from_reader(body)),
            None => request.send_empty(),
        };
        self.answer(response, time)
    }

    fn answer(
        &self,
        response: Result<Response<Body>, HttpError>,
        time: Duration,
    ) -> Result<Answer<'_>, BulkError> {
        let response = response.map_err(|error| self.failed(error, time))?;
        if response.status().is_redirection() {
            return Err(self.redirects());
        }
        Ok(Answer {
            client: self,
            response,
            time,
        })
    }

    fn redirects(&self) -> BulkError {
        BulkError::Redirects {
            store: self.name().to_owned(),
            limit: self.redirects_max,
        }
    }

    fn failed(&self, error: HttpError, time: Duration) -> BulkError {
        match error {
            HttpError::Timeout(_) => timed_out(self.name(), time),
            HttpError::TooManyRedirects
            | HttpError::RedirectFailed
            | HttpError::RequireHttpsOnly(_) => self.redirects(),
            HttpError::Io(error) => self.stream_failed(error, time),
            error => self.network(error),
        }
    }

    /// What a failure of a stream means that goes to or comes from the server.
    fn stream_failed(&self, error: io::Error, time: Duration) -> BulkError {
        if error.kind() == io::ErrorKind::TimedOut {
            return timed_out(self.name(), time);
        }
        let error = match error.downcast::<Carried>() {
            Ok(Carried(error)) => return error,
            Err(error) => error,
        };
        match error.downcast::<HttpError>() {
            Ok(HttpError::Timeout(_)) => timed_out(self.name(), time),
            Ok(error) => self.network(error),
            Err(error) => self.network(error),
        }
    }

    fn network(&self, error: impl core::error::Error + Send + Sync + 'static) -> BulkError {
        BulkError::Network {
            store: self.name().to_owned(),
            source: Box::new(error),
        }
    }
}

impl Answer<'_> {
    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// What it says of itself, lower case and without parameters.
    fn content_type(&self) -> String {
        let value = self.response.headers().get("content-type");
        let value = value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let value = value.split(';').next().unwrap_or_default();
        value.trim().to_ascii_lowercase()
    }

    /// Goes on only with what may be blocks.
    pub(super) fn blocks(self, from: Blocks, cid: &Cid) -> Result<Self, BulkError> {
        match self.status() {
            200 => {}
            404 | 410 => return Err(BulkError::not_found(self.client.name(), cid)),
            _ => return Err(self.refused()),
        }
        let content_type = self.content_type();
        let is_page = match from {
            Blocks::FromGateway => {
                content_type.starts_with("text/") || content_type.contains("json")
            }
            Blocks::FromNode => content_type.contains("html") || content_type.contains("json"),
        };
        if is_page {
            return Err(BulkError::NotBlocks {
                store: self.client.name().to_owned(),
                content_type: shown(&content_type),
            });
        }
        Ok(self)
    }

    /// Reads all of it, if that is no more than allowed.
    pub(super) fn read(self, what: &'static str, limit: u64) -> Result<Vec<u8>, BulkError> {
        let (client, time) = (self.client, self.time);
        let mut body = self.body(what, limit)?;
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes)
            .map_err(|error| client.stream_failed(error, time))?;
        Ok(bytes)
    }

    /// Reads an archive onto a stage as it comes.
    pub(super) fn read_onto(self, stage: &mut Stage) -> Result<(), BulkError> {
        let (client, time) = (self.client, self.time);
        let limit = stage.limits().bundle_bytes_max;
        let body = self.body("bytes of a bundle", limit)?;
        match stage.offer_car(client.name(), body) {
            Err(BulkError::Source(error)) => Err(client.stream_failed(error, time)),
            result => result,
        }
    }

    /// The error that an answer is, with the beginning of what it says.
    pub(super) fn refused(self) -> BulkError {
        let (store, status) = (self.client.name().to_owned(), self.status());
        let mut message = Vec::new();
        let body = self.response.into_body().into_reader();
        // What is left when it breaks off says enough.
        drop(body.take(MESSAGE_BYTES_MAX).read_to_end(&mut message));
        let said: Option<serde_json::Value> = serde_json::from_slice(&message).ok();
        let said = said.as_ref().and_then(|said| said.get("Message")?.as_str());
        let message = match said {
            Some(said) => shown(said),
            None => shown(&String::from_utf8_lossy(&message)),
        };
        BulkError::Refused {
            store,
            status,
            message,
        }
    }

    fn body(self, what: &'static str, limit: u64) -> Result<Capped, BulkError> {
        let body = self.response.into_body();
        if body.content_length().is_some_and(|len| len > limit) {
            return Err(BulkError::TooLarge { what, limit });
        }
        Ok(Capped {
            body: body.into_reader(),
            left: limit,
            what,
            limit,
        })
    }
}

/// Most that is read of an answer that says what was done or what is there.
pub(super) const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// A body that fails when it goes on beyond its cap.
struct Capped {
    body: BodyReader<'static>,
    left: u64,
    what: &'static str,
    limit: u64,
}

impl Read for Capped {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        // One byte more than allowed tells a body that is too long from one that just fits.
        let most = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX);
        let len = room.len().min(most);
        let read = self.body.read(room.get_mut(..len).unwrap_or_default())?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                return Err(carry(BulkError::TooLarge {
                    what: self.what,
                    limit: self.limit,
                }));
            }
        }
        Ok(read)
    }
}

/// An error of ours on its way through a stream.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Carried(BulkError);

pub(super) fn carry(error: BulkError) -> io::Error {
    io::Error::other(Carried(error))
}
