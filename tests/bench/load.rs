//! Load by `wrk`, and what it saw.

use std::process::Command;

/// How to load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: u32,
    pub(crate) seconds: u64,
}

/// What a load saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Requests in all.
    pub(crate) requests: f64,
    /// Milliseconds that half of the requests took at most.
    pub(crate) p50: f64,
    /// And 99 of 100.
    pub(crate) p99: f64,
}

impl Load {
    /// Asks for a path of a port for as long as it lasts. An answer other than 2xx or 3xx, or a
    /// socket error, makes the whole load worthless.
    pub(crate) fn run(&self, port: u16, path: &str) -> Result<Seen, String> {
        let output = Command::new("wrk")
            .args(["-t1", "--latency"])
            .arg(format!("-c{}", self.connections))
            .arg(format!("-d{}s", self.seconds))
            // So written `wrk` knows it for its own, and sends no other beside it.
            .args(["-H", "Host: store.test"])
            .arg(format!("http://127.0.0.1:{port}{path}"))
            .output()
            .map_err(|error| format!("cannot run wrk: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || said.contains("Non-2xx") || said.contains("Socket errors") {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("wrk on {path}: {said}{errors}"));
        }
        read(&said).ok_or_else(|| format!("wrk said something else: {said}"))
    }
}

fn read(said: &str) -> Option<Seen> {
    let after = |mark: &str| {
        let line = said
            .lines()
            .find_map(|line| line.trim().strip_prefix(mark))?;
        line.split_whitespace().next()
    };
    let requests = said
        .lines()
        .find(|line| line.contains(" requests in "))?
        .split_whitespace()
        .next()?;
    Some(Seen {
        rate: after("Requests/sec:")?.parse().ok()?,
        requests: requests.parse().ok()?,
        p50: milliseconds(after("50%")?)?,
        p99: milliseconds(after("99%")?)?,
    })
}

/// `613.00us`, `1.20ms` or `2.00s`.
fn milliseconds(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3), ("m", 6e4)] {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse::<f64>().ok().map(|number| number * factor);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let said = "Running 3s test @ http://127.0.0.1:8080/\n  1 threads and 32 connections\n  \
            Latency Distribution\n     50%  613.00us\n     75%    1.10ms\n     90%    1.50ms\n     \
            99%    2.00s \n  150000 requests in 3.00s, 20.00MB read\nRequests/sec:  50000.12\n";
        let seen = read(said).expect("it is read");
        assert!((seen.rate - 50000.12).abs() < 1e-6);
        assert!((seen.requests - 150_000.0).abs() < 1e-6);
        assert!((seen.p50 - 0.613).abs() < 1e-9);
        assert!((seen.p99 - 2000.0).abs() < 1e-9);
        assert!(read("nothing").is_none());
    }
}
