//! Breaking a line into rows.

use std::ops::Range;

use super::{Glyph, glyphs};

/// The rows of a line of text, as ranges of it: one at least. A row ends at a space if there is one in
/// it; the spaces between two rows are in neither.
pub(crate) fn wrap(line: &str, columns: usize) -> Vec<Range<usize>> {
    let glyphs: Vec<Glyph<'_>> = glyphs(line).collect();
    let mut rest = glyphs.as_slice();
    let mut rows = Vec::new();
    loop {
        let start = rest.first().map_or(line.len(), |glyph| glyph.start);
        let fits = count_that_fits(rest, columns);
        let Some(over) = rest.get(fits) else {
            rows.push(start..line.len());
            return rows;
        };
        let (row, next) = rest.split_at(fits);
        let last_space = row.iter().rposition(is_space).filter(|at| *at > 0);
        let kept = match last_space {
            Some(at) if !is_space(over) => at,
            Some(_) | None => fits,
        };
        let end = rest.get(kept).map_or(over.start, |glyph| glyph.start);
        rows.push(start..end);
        rest = if kept == fits { next } else { rest.get(kept..).unwrap_or_default() };
        while let [space, more @ ..] = rest {
            if !is_space(space) {
                break;
            }
            rest = more;
        }
    }
}

/// The count of characters at the beginning that fit: one at least.
fn count_that_fits(glyphs: &[Glyph<'_>], columns: usize) -> usize {
    let mut taken: usize = 0;
    let fits = glyphs.iter().take_while(|glyph| {
        taken = taken.saturating_add(glyph.width);
        taken <= columns
    });
    fits.count().max(1)
}

fn is_space(glyph: &Glyph<'_>) -> bool {
    glyph.text == " "
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::width;
    use proptest::prelude::*;

    fn rows(line: &str, columns: usize) -> Vec<&str> {
        wrap(line, columns).into_iter().map(|range| &line[range]).collect()
    }

    #[test]
    fn rows_end_at_spaces_where_they_can() {
        assert_eq!(rows("", 5), [""]);
        assert_eq!(rows("see you at eight", 7), ["see you", "at", "eight"]);
        assert_eq!(rows("see you at eight", 8), ["see you", "at eight"]);
        assert_eq!(rows("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(rows("你好世界", 5), ["你好", "世界"]);
        assert_eq!(rows("你好", 1), ["你", "好"]);
        assert_eq!(rows("  indented text", 10), ["  indented", "text"]);
    }

    proptest! {
        #[test]
        fn rows_fit_and_lose_only_spaces(line in "[ a-z你é👍🏽]{0,60}", columns in 6_usize..20) {
            let rows = rows(&line, columns);
            for row in &rows {
                prop_assert!(width(row) <= columns, "{row:?}");
            }
            let without = |text: &str| text.replace(' ', "");
            prop_assert_eq!(without(&rows.concat()), without(&line));
        }
    }
}
