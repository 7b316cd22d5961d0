//! HTTP/1.1 as plainly as it can be written and read.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use super::skip::Message;
use super::{Fields, fields};

/// A message as bytes: a body of one part with its length, of more in chunks of their sizes.
pub(super) fn written(mut bytes: Vec<u8>, message: &Message<'_>) -> Vec<u8> {
    let chunked = message.chunks.len() > 1 && !message.headers.contains(b"content-length");
    let length: usize = message.chunks.iter().map(Vec::len).sum();
    for (name, value) in message.headers {
        if !name.starts_with(b":") {
            bytes.extend([name, b": ", value, b"\r\n"].concat());
        }
    }
    if chunked {
        bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
        for chunk in message.chunks.iter().filter(|chunk| !chunk.is_empty()) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        return bytes;
    }
    let is_response = bytes.starts_with(b"HTTP/");
    if (length > 0 || is_response) && !message.headers.contains(b"content-length") {
        bytes.extend(format!("content-length: {length}\r\n").as_bytes());
    }
    bytes.extend(b"\r\n");
    for chunk in message.chunks {
        bytes.extend(chunk);
    }
    bytes
}

pub(super) fn talk(
    mut stream: impl Read + Write,
    head_only: bool,
    request: &[u8],
) -> Option<(u16, Fields, Vec<u8>)> {
    // A plugin may end the exchange before all of it is written.
    let _ = stream.write_all(request).and_then(|()| stream.flush());
    let mut reader = Reader::new(stream);
    let (line, fields, body) = reader.message(head_only)?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    Some((status, fields, body))
}

/// An upstream that answers every request with what it is told, and tells what it saw.
pub(super) fn upstream(
    answer: Arc<Mutex<Vec<u8>>>,
) -> (SocketAddr, Receiver<(String, Fields, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (sender, answer) = (sender.clone(), Arc::clone(&answer));
            std::thread::spawn(move || {
                let mut reader = Reader::new(stream);
                while let Some(request) = reader.request() {
                    if sender.send(request).is_err() {
                        break;
                    }
                    let answer = answer.lock().expect("not poisoned").clone();
                    if reader.stream.write_all(&answer).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (at, seen)
}

/// Reads HTTP/1.1 messages.
struct Reader<S> {
    stream: S,
    bytes: Vec<u8>,
}

impl<S: Read> Reader<S> {
    const fn new(stream: S) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
        }
    }

    fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        let count = self
            .stream
            .read(&mut buffer)
            .ok()
            .filter(|count| *count > 0)?;
        self.bytes.extend_from_slice(&buffer[..count]);
        Some(())
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.bytes.windows(2).position(|two| two == b"\r\n") {
                let line = self.bytes[..end].to_vec();
                self.bytes.drain(..end + 2);
                return Some(line);
            }
            self.more()?;
        }
    }

    fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.bytes.len() < count {
            self.more()?;
        }
        Some(self.bytes.drain(..count).collect())
    }

    /// First line, fields and body.
    fn message(&mut self, head_only: bool) -> Option<(String, Fields, Vec<u8>)> {
        let (line, all) = self.head()?;
        let body = self.body(&all, head_only)?;
        let pairs = all
            .iter()
            .map(|(name, value)| (name.as_bytes(), &value[..]));
        Some((line, fields(pairs), body))
    }

    /// Method, authority and path, fields and body.
    fn request(&mut self) -> Option<(String, Fields, Vec<u8>)> {
        let (line, all) = self.head()?;
        let body = self.body(&all, false)?;
        let mut words = line.split(' ');
        let host = all.iter().find(|(name, _)| name == "host");
        let host = host.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        let (method, path) = (words.next()?, words.next()?);
        let pairs = all
            .iter()
            .map(|(name, value)| (name.as_bytes(), &value[..]));
        Some((format!("{method} {} {path}", host?), fields(pairs), body))
    }

    fn head(&mut self) -> Option<(String, Fields)> {
        let first = String::from_utf8_lossy(&self.line()?).into_owned();
        let mut all = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some((first, all));
            }
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            all.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
    }

    fn body(&mut self, all: &Fields, head_only: bool) -> Option<Vec<u8>> {
        if head_only {
            return Some(Vec::new());
        }
        let find = |wanted: &str| all.iter().find(|(name, _)| name == wanted);
        if find("transfer-encoding").is_none() {
            let length = find("content-length").map_or(Some(0), |(_, value)| {
                std::str::from_utf8(value).ok()?.parse().ok()
            });
            return self.exactly(length?);
        }
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(std::str::from_utf8(&line).ok()?, 16).ok()?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Some(body);
            }
            body.extend(self.exactly(size)?);
            self.exactly(2)?;
        }
    }
}
