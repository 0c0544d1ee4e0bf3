//! An HTTP server on loopback that does as it is told, for tests of clients: well, badly, or not at all.
//!
//! One thread takes connections, one serves each. Nothing here checks what a client may send beyond what a test asks of
//! [`Request`]; a test that waits for ever is stopped by the client's own limits, which is what it is there to show.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method, as in `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// Body, out of its chunks.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a parameter of the query, as it stands there.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut values = pairs
            .filter(|(found, _)| *found == name)
            .map(|(_, value)| value);
        values.next()
    }

    /// The file in a form, if the body is one.
    pub fn file(&self) -> Option<&[u8]> {
        let boundary = self.header("content-type")?.split_once("boundary=")?.1;
        let start = find(&self.body, b"\r\n\r\n")? + 4;
        let rest = self.body.get(start..)?;
        let end = find(rest, format!("\r\n--{boundary}--").as_bytes())?;
        rest.get(..end)
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status, a content type and a body of known length.
    Body(u16, &'static str, Vec<u8>),
    /// A status and headers as they are given, and no body.
    Head(u16, Vec<(&'static str, String)>),
    /// A head that claims so many bytes, then these, then hangs up.
    Claims(&'static str, u64, Vec<u8>),
    /// These bytes in chunks, again and again, until the client hangs up.
    Endless(&'static str, Vec<u8>),
    /// The beginning of a body, then nothing until the server is dropped.
    Stalls(&'static str, Vec<u8>),
    /// Hangs up without a word.
    HangsUp,
    /// Says nothing until the server is dropped.
    Silent,
}

impl Answer {
    /// A body that is fine.
    pub fn ok(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self::Body(200, content_type, body.into())
    }
}

/// A server that is running. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    address: String,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    sent: Mutex<u64>,
    is_over: AtomicBool,
    over: Condvar,
    gate: Mutex<()>,
}

type Script = dyn Fn(&Request) -> Answer + Send + Sync;

impl Server {
    /// Serves what a function says.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let shared = Arc::new(Shared::default());
        let (script, ours): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&shared));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ours.is_over.load(Ordering::Acquire) {
                    return;
                }
                let (script, shared) = (Arc::clone(&script), Arc::clone(&ours));
                std::thread::spawn(move || {
                    // Clients that hang up are part of most tests.
                    drop(serve(&stream, script.as_ref(), &shared));
                    drop(stream.shutdown(Shutdown::Both));
                });
            }
        });
        Ok(Self { address, shared })
    }

    /// Its address, as in `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests it has read, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.shared
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Bytes of bodies it got rid of.
    pub fn bytes_sent(&self) -> u64 {
        *self
            .shared
            .sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.shared.over.notify_all();
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(&self.address));
    }
}

impl Shared {
    fn wait_until_over(&self) {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let is_running = |(): &mut ()| !self.is_over.load(Ordering::Acquire);
        let patience = core::time::Duration::from_secs(60);
        drop(self.over.wait_timeout_while(gate, patience, is_running));
    }
}

fn serve(stream: &TcpStream, script: &Script, shared: &Shared) -> std::io::Result<()> {
    let Some(request) = read_request(stream)? else {
        return Ok(());
    };
    let answer = script(&request);
    let is_head = request.method == "HEAD";
    shared
        .requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    let mut out = stream;
    let mut send = |bytes: &[u8]| {
        out.write_all(bytes)?;
        *shared.sent.lock().unwrap_or_else(PoisonError::into_inner) += bytes.len() as u64;
        Ok::<(), std::io::Error>(())
    };
    let head = |status: u16, content_type: &str, len: u64| {
        format!(
            "HTTP/1.1 {status} Scripted\r\nContent-Type: {content_type}\r\nContent-Length: {len}\r\n\
             Connection: close\r\n\r\n"
        )
    };
    match answer {
        Answer::Body(status, content_type, body) => {
            send(head(status, content_type, body.len() as u64).as_bytes())?;
            if is_head { Ok(()) } else { send(&body) }
        }
        Answer::Head(status, headers) => {
            let mut lines = String::new();
            for (name, value) in headers {
                lines.extend([name, ": ", &value, "\r\n"]);
            }
            send(format!(
                "HTTP/1.1 {status} Scripted\r\n{lines}Content-Length: 0\r\nConnection: close\r\n\r\n"
            ).as_bytes())
        }
        Answer::Claims(content_type, len, body) => {
            send(head(200, content_type, len).as_bytes())?;
            send(&body)
        }
        Answer::Endless(content_type, body) => {
            send(
                format!(
                    "HTTP/1.1 200 Scripted\r\nContent-Type: {content_type}\r\n\
                 Transfer-Encoding: chunked\r\n\r\n"
                )
                .as_bytes(),
            )?;
            let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat();
            while !shared.is_over.load(Ordering::Acquire) {
                send(&chunk)?;
            }
            Ok(())
        }
        Answer::Stalls(content_type, body) => {
            send(head(200, content_type, body.len() as u64 + 1).as_bytes())?;
            send(&body)?;
            shared.wait_until_over();
            Ok(())
        }
        Answer::HangsUp => Ok(()),
        Answer::Silent => {
            shared.wait_until_over();
            Ok(())
        }
    }
}

fn read_request(stream: &TcpStream) -> std::io::Result<Option<Request>> {
    let mut input = BufReader::new(stream);
    let mut line = String::new();
    input.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request {
        method,
        target,
        headers,
        body: Vec::new(),
    };
    if request.header("expect").is_some() {
        (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if request.header("transfer-encoding").is_some() {
        read_chunks(&mut input, &mut request.body)?;
    } else if let Some(len) = request
        .header("content-length")
        .and_then(|len| len.parse().ok())
    {
        request.body.resize(len, 0);
        input.read_exact(&mut request.body)?;
    }
    Ok(Some(request))
}

fn read_chunks(input: &mut BufReader<&TcpStream>, body: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let len = u64::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        input.by_ref().take(len).read_to_end(body)?;
        let mut end = String::new();
        input.read_line(&mut end)?;
        if len == 0 {
            return Ok(());
        }
    }
}
