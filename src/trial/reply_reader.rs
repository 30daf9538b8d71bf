//! Reads the replies of a zygote. Foreign code may have taken it over, so size and time are bounded.

use std::io::{self, BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use wsgiaudit_probes_core::protocol::{RECORD_SIZE, ZygoteReply};

/// Maximum bytes of a reply without its record.
const MAX_REPLY_BYTES: usize = 4096;

/// The replies of a zygote.
#[derive(Debug)]
pub(super) struct ReplyReader(BufReader<UnixStream>);

impl ReplyReader {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(BufReader::new(stream))
    }

    /// Reads a reply and the record that follows it.
    ///
    /// # Errors
    /// If the zygote is gone, the time is up, or it sent something else.
    pub(super) fn read_reply(&mut self, within: Duration) -> io::Result<(ZygoteReply, Vec<u8>)> {
        let deadline = Instant::now() + within;
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let read = self.wait_for_bytes(deadline)?;
            let end = read.iter().position(|byte| *byte == b'\n').map_or(read.len(), |end| end + 1);
            line.extend_from_slice(&read[..end]);
            self.0.consume(end);
            if line.len() > MAX_REPLY_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        let reply: ZygoteReply = serde_json::from_slice(&line)?;
        let size = reply.record_size();
        if size > RECORD_SIZE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut record = Vec::with_capacity(size);
        while record.len() < size {
            let missing = size - record.len();
            let read = self.wait_for_bytes(deadline)?;
            let end = read.len().min(missing);
            record.extend_from_slice(&read[..end]);
            self.0.consume(end);
        }
        Ok((reply, record))
    }

    /// Bytes that were read, at least one.
    fn wait_for_bytes(&mut self, deadline: Instant) -> io::Result<&[u8]> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.0.get_ref().set_read_timeout(Some(left))?;
        let read = self.0.fill_buf()?;
        if read.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use wsgiaudit_probes_core::protocol::{ProcessExit, ZygoteReply};

    use super::ReplyReader;

    #[test]
    fn a_record_follows_its_reply() {
        let (mut zygote, auditor) = UnixStream::pair().unwrap();
        let mut replies = ReplyReader::new(auditor);
        zygote.write_all(b"{\"Ended\":[7,{\"Exit\":0},3]}\nabc{\"Entered\":0}\n").unwrap();
        let within = Duration::from_secs(10);
        let ended = ZygoteReply::Ended(7, ProcessExit::Exit(0), 3);
        assert_eq!(replies.read_reply(within).unwrap(), (ended, b"abc".to_vec()));
        assert_eq!(replies.read_reply(within).unwrap(), (ZygoteReply::Entered(0), Vec::new()));
    }

    #[test]
    fn neither_size_nor_time_are_the_zygotes_to_choose() {
        let (mut zygote, auditor) = UnixStream::pair().unwrap();
        let mut replies = ReplyReader::new(auditor);
        zygote.write_all(b"{\"Entered\":99999999999}\n").unwrap();
        assert!(replies.read_reply(Duration::from_secs(10)).is_err());
        zygote.write_all(&[b' '; 5000]).unwrap();
        assert!(replies.read_reply(Duration::from_secs(10)).is_err());
        let started = Instant::now();
        let dripping = std::thread::spawn(move || {
            while zygote.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        assert!(replies.read_reply(Duration::from_millis(50)).is_err());
        assert!(started.elapsed() < Duration::from_secs(5));
        drop(replies);
        dripping.join().unwrap();
    }
}
