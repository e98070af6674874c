//! How far several copies of a message have come, in words.

use super::{Copy, PhoneNumber, Progress};

/// How far a message has come: `delivered to 3 of 4, failed for 1` if its copies differ.
pub fn summary(progress: &Progress, copies: &[Copy]) -> String {
    let (word, skipped) = match progress {
        Progress::Failed { reason } => return format!("failed: {reason}"),
        Progress::Queued => ("queued", 1),
        Progress::Stored => ("stored", 1),
        Progress::Delivered => ("delivered", 0),
        Progress::Read => ("read", 0),
    };
    if copies.iter().all(|copy| copy.progress == *progress) {
        return word.to_owned();
    }
    let reached = |least: &Progress| copies.iter().filter(|copy| copy.progress >= *least).count();
    // How many have read it is said once everybody has it who can have it.
    let furthest = STEPS.iter().skip(skipped).find(|(_, least)| reached(least) > 0);
    let (words, count) =
        furthest.map_or((word, copies.len()), |(words, least)| (*words, reached(least)));
    let failed = failures(copies).count();
    let failed = if failed > 0 { format!(", failed for {failed}") } else { String::new() };
    format!("{words} {count} of {}{failed}", copies.len())
}

/// The copies that will not be sent: their recipients, and the reasons.
pub fn failures(copies: &[Copy]) -> impl Iterator<Item = (PhoneNumber, &str)> {
    copies.iter().filter_map(|copy| match &copy.progress {
        Progress::Failed { reason } => Some((copy.to, reason.as_str())),
        Progress::Queued | Progress::Stored | Progress::Delivered | Progress::Read => None,
    })
}

/// How far copies come, the furthest first.
const STEPS: [(&str, Progress); 4] = [
    ("read by", Progress::Read),
    ("delivered to", Progress::Delivered),
    ("stored for", Progress::Stored),
    ("queued for", Progress::Queued),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_says_for_how_many_of_the_copies_it_holds() {
        let failed = || Progress::Failed { reason: "gone".into() };
        let (queued, stored) = (|| Progress::Queued, || Progress::Stored);
        let (delivered, read) = (|| Progress::Delivered, || Progress::Read);
        for (copies, least, expected) in [
            (vec![], queued(), "queued"),
            (vec![failed()], failed(), "failed: gone"),
            (vec![delivered(), delivered()], delivered(), "delivered"),
            (vec![queued(), queued(), stored()], queued(), "stored for 1 of 3"),
            (vec![read(), delivered(), stored()], stored(), "delivered to 2 of 3"),
            (vec![read(), delivered()], delivered(), "read by 1 of 2"),
            (
                vec![delivered(), delivered(), read(), failed()],
                delivered(),
                "read by 1 of 4, failed for 1",
            ),
            (vec![queued(), failed(), failed()], queued(), "queued for 1 of 3, failed for 2"),
            (vec![failed(), failed()], failed(), "failed: gone"),
        ] {
            let to = "+4915112345678".parse().unwrap();
            let copy = |progress| Copy { to, message_id: None, progress, waits_for: None };
            let copies: Vec<_> = copies.into_iter().map(copy).collect();
            assert_eq!(summary(&least, &copies), expected);
            let count = copies.iter().filter(|copy| copy.progress.has_failed()).count();
            assert_eq!(failures(&copies).count(), count);
        }
    }
}
