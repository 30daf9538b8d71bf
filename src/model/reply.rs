//! What an application answered to a list of requests, in one round of asking it: as the driver of the requests tells it
//! (`src/audit/requests.py`), a line for each; where it is known what is expected, for each that failed.

/// What came of one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The round, from 0: an interpreter that is asked twice has two.
    pub round: usize,
    /// Which request, from 0.
    pub index: usize,
    /// How it ended.
    pub end: ReplyEnd,
    /// How long the application took, in milliseconds.
    pub milliseconds: f64,
    /// The status line: `200 OK`; empty where there was no answer.
    pub status: String,
    /// Bytes of the body.
    pub bytes: u64,
    /// SHA-256 of the body, in hexadecimal; empty where there was no answer.
    pub sha256: String,
    /// The beginning of the body, written as Python writes it; the type of the exception, where one was raised.
    pub begins: String,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplyEnd {
    /// It was answered; in other interpreters than the control: as there.
    Answered,
    /// What should be captured was not there, so that it could not be asked, or a later one could not.
    NothingCaptured,
    /// It was answered with a status or a body that the control does not give.
    Differs,
    /// It was answered with 5xx.
    Failed,
    /// The application raised an exception.
    Raised,
}

impl ReplyEnd {
    /// Its name, as drivers write it and reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NothingCaptured => "nothing-captured",
            Self::Differs => "differs",
            Self::Failed => "failed",
            Self::Raised => "raised",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Answered, Self::NothingCaptured, Self::Differs, Self::Failed, Self::Raised]
            .into_iter()
            .find(|end| end.name() == name)
    }
}

impl Reply {
    /// What such a line begins with.
    pub const MARK: &str = "asked\t";

    /// What the line begins with that has the milliseconds of each request, between commas.
    pub const TIMES: &str = "took\t";

    /// From a line of a trial's answers; `None` for a line of another kind.
    pub fn of(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix(Self::MARK)?.splitn(8, '\t');
        let mut next = || fields.next();
        Some(Self {
            round: next()?.parse().ok()?,
            index: next()?.parse().ok()?,
            end: ReplyEnd::of(next()?)?,
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
        let answer = Reply::of("asked\t0\t3\tdiffers\t1.5\t200 OK\t4\tab12\t'ma\\tin'").unwrap();
        assert_eq!((answer.index, answer.end, answer.bytes), (3, ReplyEnd::Differs, 4));
        assert_eq!(answer.begins, "'ma\\tin'");
        for other in ["ran\t3\tshop.py", "asked\t0\t3\tno-such\t1.5\t200 OK\t4\tab12\t''", "asked\t0"] {
            assert_eq!(Reply::of(other), None, "{other}");
        }
    }
}
