use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Does something with each item, so many at a time. After the first error no other item is begun.
pub(super) fn for_each<I: Sync, E: Send>(
    items: &[I],
    width: usize,
    act: impl Fn(&I) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = act(item) {
                next.store(items.len(), Ordering::Relaxed);
                if let Ok(mut failed) = failed.lock() {
                    failed.get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..width.min(items.len()) {
            scope.spawn(work);
        }
        work();
    });
    match failed.into_inner() {
        Ok(Some(error)) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_dealt_with_once_and_an_error_stops_the_rest() {
        let sum = AtomicUsize::new(0);
        let items: Vec<usize> = (0..100).collect();
        let add = |item: &usize| {
            sum.fetch_add(*item, Ordering::Relaxed);
            Ok::<(), ()>(())
        };
        for_each(&items, 5, add).unwrap();
        assert_eq!(sum.into_inner(), 4_950);

        let begun = AtomicUsize::new(0);
        let fail = |_: &usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            Err("no")
        };
        assert_eq!(for_each(&items, 5, fail), Err("no"));
        assert!(begun.into_inner() <= 5);
    }
}
