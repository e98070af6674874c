//! Work before and after the measurement, on all cores.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;

use sealpost_programs::Failure;

/// The number of cores.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Applies `work` to each item, on all cores. The results are in the order of the items.
pub(crate) fn map<T: Send, R: Send>(
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    work: impl Fn(T) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    map_on(cores(), items, work)
}

/// Applies `work` to each item on this many threads, for work that waits.
pub(crate) fn map_on<T: Send, R: Send>(
    threads: usize,
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    work: impl Fn(T) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    let source = Mutex::new(items.into_iter().enumerate());
    let next = || source.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || -> Result<Vec<(usize, R)>, Failure> {
        let mut done = Vec::new();
        while let Some((index, item)) = next() {
            done.push((index, work(item)?));
        }
        Ok(done)
    };
    let mut done = thread::scope(|scope| -> Result<Vec<(usize, R)>, Failure> {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(worker)).collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().map_err(|_| Failure::new("a thread panicked"))??);
        }
        Ok(all)
    })?;
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items_however_many_threads_work() {
        for threads in [1, 2, 7] {
            let doubled = map_on(threads, 0..1_000, |n| Ok(2 * n)).unwrap();
            assert_eq!(doubled, (0..1_000).map(|n| 2 * n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_failure_fails_the_whole_map() {
        let work = |n| if n == 77 { Err(Failure::new("77")) } else { Ok(n) };
        assert_eq!(map_on(2, 0..1_000, work), Err(Failure::new("77")));
    }
}
