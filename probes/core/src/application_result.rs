//! The tags of what the functions of `glue.py` return: each returns a tuple whose first item is one of these
//! numbers, and `glue.py` has a constant for each.

/// A tag, and so the items that follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultTag {
    /// `load`: the application was imported.
    Loaded,
    /// `load`: the import failed. A traceback follows.
    Failed,
    /// `respond`: a complete response. Status, headers, and the body or `None` follow.
    Complete,
    /// `respond`: the response was sent in chunks.
    Sent,
    /// `respond`: the application failed after the head was sent.
    Aborted,
}

impl ResultTag {
    /// All tags.
    pub const ALL: [Self; 5] = [Self::Loaded, Self::Failed, Self::Complete, Self::Sent, Self::Aborted];

    /// The number that stands for the tag.
    pub fn number(self) -> u8 {
        match self {
            Self::Loaded => 0,
            Self::Failed => 1,
            Self::Complete => 2,
            Self::Sent => 3,
            Self::Aborted => 4,
        }
    }

    /// The name of the constant in `glue.py`.
    pub fn constant(self) -> &'static str {
        match self {
            Self::Loaded => "_LOADED",
            Self::Failed => "_FAILED",
            Self::Complete => "_COMPLETE",
            Self::Sent => "_SENT",
            Self::Aborted => "_ABORTED",
        }
    }

    /// Returns the tag with this number.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|tag| i64::from(tag.number()) == number)
    }

    /// The number of items that follow the tag.
    pub fn item_count(self) -> usize {
        match self {
            Self::Loaded | Self::Sent | Self::Aborted => 0,
            Self::Failed => 1,
            Self::Complete => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::ResultTag;

    /// What `glue.py` returns is read from its text: it runs only inside of a host.
    const GLUE: &str = include_str!("../../src/host/glue.py");

    #[test]
    fn every_tag_has_a_number_and_a_constant_of_its_own() {
        for tag in ResultTag::ALL {
            assert_eq!(ResultTag::from_number(tag.number().into()), Some(tag));
        }
        assert_eq!(ResultTag::from_number(5), None);
        assert_eq!(ResultTag::from_number(-1), None);
        let constants: HashSet<_> = ResultTag::ALL.map(ResultTag::constant).into_iter().collect();
        assert_eq!(constants.len(), ResultTag::ALL.len());
    }

    #[test]
    fn glue_returns_every_tag_first() {
        for tag in ResultTag::ALL {
            let name = tag.constant();
            let in_one_line = format!("return ({name},");
            let lines: Vec<&str> = GLUE.lines().filter(|line| line.contains(&in_one_line)).collect();
            assert!(!lines.is_empty(), "glue.py never returns {name}");
            for line in lines {
                let items = line.split_once(&in_one_line).map_or("", |(_, items)| items);
                assert_eq!(items == ")" || items.starts_with(") if"), tag.item_count() == 0, "{line}");
            }
        }
    }

    #[test]
    fn items_follow_only_what_needs_them() {
        let counts = ResultTag::ALL.map(|tag| (tag, tag.item_count()));
        let with_items: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(with_items, [(ResultTag::Failed, 1), (ResultTag::Complete, 3)]);
    }
}
