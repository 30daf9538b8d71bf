//! Replies of an application to a list of requests. The request driver (`src/audit/requests.py`) writes them,
//! one line for each request; once it knows the expected replies, one line for each that failed.

/// The reply to one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The round, from 0: an interpreter may send the whole list twice.
    pub round: usize,
    /// The index of the request, from 0.
    pub index: usize,
    /// How the request ended.
    pub end: ReplyKind,
    /// How long the application took, in milliseconds.
    pub milliseconds: f64,
    /// The status line: `200 OK`; empty where there was no answer.
    pub status: String,
    /// The size of the body in bytes.
    pub bytes: u64,
    /// SHA-256 of the body, in hexadecimal; empty where there was no answer.
    pub sha256: String,
    /// The beginning of the body as a Python literal; the type of the exception, if one was raised.
    pub begins: String,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplyKind {
    /// It was answered; in other interpreters than the control, with the same reply as there.
    Answered,
    /// A value to capture was missing in a reply, so that this request or a later one could not be sent.
    NothingCaptured,
    /// It was answered with a status or a body that the control did not give.
    Differs,
    /// It was answered with 5xx.
    Failed,
    /// The application raised an exception.
    Raised,
}

impl ReplyKind {
    /// The name in drivers' lines and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NothingCaptured => "nothing-captured",
            Self::Differs => "differs",
            Self::Failed => "failed",
            Self::Raised => "raised",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Answered, Self::NothingCaptured, Self::Differs, Self::Failed, Self::Raised]
            .into_iter()
            .find(|end| end.name() == name)
    }
}

impl Reply {
    /// The prefix of a line with a reply.
    pub const MARK: &str = "asked\t";

    /// The prefix of the line with the times of all requests: milliseconds, separated by commas.
    pub const TIMES: &str = "took\t";

    /// Parses a line of a trial's answers; returns `None` for a line of another kind.
    pub fn parse_line(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix(Self::MARK)?.splitn(8, '\t');
        let mut next = || fields.next();
        Some(Self {
            round: next()?.parse().ok()?,
            index: next()?.parse().ok()?,
            end: ReplyKind::from_name(next()?)?,
            milliseconds: next()?.parse().ok().filter(|number: &f64| number.is_finite())?,
            status: next()?.to_owned(),
            bytes: next()?.parse().ok()?,
            sha256: next()?.to_owned(),
            begins: next()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let answer = Reply::parse_line("asked\t0\t3\tdiffers\t1.5\t200 OK\t4\tab12\t'ma\\tin'").unwrap();
        assert_eq!((answer.index, answer.end, answer.bytes), (3, ReplyKind::Differs, 4));
        assert_eq!(answer.begins, "'ma\\tin'");
        for other in ["ran\t3\tshop.py", "asked\t0\t3\tno-such\t1.5\t200 OK\t4\tab12\t''", "asked\t0"] {
            assert_eq!(Reply::parse_line(other), None, "{other}");
        }
    }
}
