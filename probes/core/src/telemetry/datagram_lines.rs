//! Datagrams as lines of text, for a file to which several processes append.

use std::fmt::Write as _;

use super::datagram::Datagram;

/// Formats a datagram as a line: its bytes in hexadecimal.
pub fn format_line(datagram: &[u8]) -> String {
    let mut line = String::with_capacity(datagram.len() * 2 + 1);
    for byte in datagram {
        let _ = write!(line, "{byte:02x}");
    }
    line.push('\n');
    line
}

/// Reads the datagrams of all whole lines, as bytes. What is no datagram is left out. Also returns the size of those lines.
pub fn read_lines(text: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = text.get(..end).unwrap_or_default().split(|byte| *byte == b'\n');
    let datagrams = lines.filter_map(read_line).filter(|bytes| Datagram::decode(bytes).is_ok());
    (datagrams.collect(), end)
}

fn read_line(line: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    line.chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::datagram::Kind;
    use super::*;

    #[test]
    fn whole_lines_are_read_and_nothing_else() {
        let datagram = Datagram::new(Kind::ProcessStarted, 7, 1, 2.0).encode();
        let line = format_line(&datagram);
        let text = format!("{line}rubbish\n{}\nabc\n\n{line}{}", "ff".repeat(30), &line[..9]);
        let (found, size) = read_lines(text.as_bytes());
        assert_eq!((found, size), (vec![datagram; 2], text.len() - 9));
        assert_eq!(read_lines(b"57"), (Vec::new(), 0));
    }
}
