//! Gateways of every kind that is out there.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cid::Cid;
use uxf_engine::bundles::{ContentError, RetryClass};
use uxf_replication::bulk::{
    BulkError, BulkErrorKind, BulkLimits, BulkStore, FetchOptions, Gateway, Stage, fetch_bundle,
};
use uxf_testkit::http::{Answer, Request, Server};

use crate::samples::{Sample, car_of, cid_of, patience};

const CAR: &str = "application/vnd.ipld.car";
const RAW: &str = "application/vnd.ipld.raw";

fn limits() -> BulkLimits {
    BulkLimits {
        fetch_time: Duration::from_secs(20),
        ..BulkLimits::REFERENCE
    }
}

fn gateway(server: &Server) -> Gateway {
    Gateway::new(&server.url(), limits()).unwrap()
}

/// Whether a request is for an archive and not for one block.
fn is_for_car(request: &Request) -> bool {
    request.parameter("format") == Some("car")
}

fn serving(sample: &Sample) -> Server {
    let (car, blocks) = (sample.car.clone(), sample.blocks());
    Server::start(move |request| {
        if is_for_car(request) {
            return Answer::ok(CAR, car.clone());
        }
        let wanted = |(cid, _): &&(Cid, Vec<u8>)| request.target.contains(&cid.to_string());
        match blocks.iter().find(wanted) {
            Some((_, block)) => Answer::ok(RAW, block.clone()),
            None => Answer::Body(404, "text/plain", Vec::new()),
        }
    })
    .unwrap()
}

/// What a gateway's answer to a request for a bundle comes to, with what stays on the stage.
fn fetch_from(sample: &Sample, limits: BulkLimits, answer: Answer) -> (BulkError, usize, u64) {
    let server = Server::start(move |_| answer.clone()).unwrap();
    let gateway = Gateway::new(&server.url(), limits).unwrap();
    let mut stage = Stage::new(&sample.root, limits).unwrap();
    let error = match gateway.get_bundle(&mut stage) {
        Err(error) => error,
        Ok(()) => stage.finish().map(drop).unwrap_err(),
    };
    // The same through the front door: nothing comes of it.
    let (patience, _) = patience();
    let options = FetchOptions::new()
        .limits(limits)
        .patience(patience.delays([]));
    let nobody = fetch_bundle(&sample.root, &[&gateway], &options);
    assert!(matches!(nobody, Err(BulkError::Nobody { .. })));
    let requests = server
        .requests()
        .iter()
        .filter(|request| is_for_car(request))
        .count();
    (error, requests, server.bytes_sent())
}

#[test]
fn an_honest_gateway_gives_the_bundle_in_one_request_of_the_right_form() {
    let sample = Sample::new();
    let server = serving(&sample);
    let fetched = fetch_bundle(&sample.root, &[&gateway(&server)], &FetchOptions::new()).unwrap();
    assert_eq!(fetched.bundle.blocks().len(), sample.blocks().len());
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].method, "GET");
    assert_eq!(
        requests[0].target,
        format!("/ipfs/{}?format=car&dag-scope=all", sample.root)
    );
    assert!(requests[0].header("accept").unwrap().starts_with(CAR));
    assert!(gateway(&server).presence(&sample.root).unwrap().stored);
    assert!(!gateway(&server).presence(&cid_of(b"x")).unwrap().stored);
    assert!(matches!(
        gateway(&server).pin(&sample.root),
        Err(BulkError::Unsupported { .. })
    ));
}

#[test]
fn a_gateway_without_archives_is_asked_for_blocks() {
    let sample = Sample::new();
    for status in [400, 404, 406, 501] {
        let blocks = sample.blocks();
        let server = Server::start(move |request| {
            if is_for_car(request) {
                return Answer::Body(status, "text/html", b"<html>".to_vec());
            }
            let wanted = |(cid, _): &&(Cid, Vec<u8>)| request.target.contains(&cid.to_string());
            Answer::ok(RAW, blocks.iter().find(wanted).unwrap().1.clone())
        });
        let server = server.unwrap();
        let store = gateway(&server);
        let fetched = fetch_bundle(&sample.root, &[&store], &FetchOptions::new()).unwrap();
        assert_eq!(
            fetched.bundle.blocks().len(),
            sample.blocks().len(),
            "{status}"
        );
        assert_eq!(server.requests().len(), 1 + sample.blocks().len());
    }
}

#[test]
fn wrong_bytes_are_refused_and_the_liar_is_asked_once() {
    let sample = Sample::new();
    let mut blocks = sample.blocks();
    blocks[6].1[1] ^= 4;
    let lying = Answer::ok(CAR, car_of(&sample.root, &blocks));
    let (error, requests, _) = fetch_from(&sample, limits(), lying);
    assert!(
        matches!(
            error,
            BulkError::Content(ContentError::DigestMismatch { .. })
        ),
        "{error}"
    );
    assert_eq!(
        (error.kind(), requests),
        (BulkErrorKind::Peer, 2),
        "once for each call"
    );
}

#[test]
fn a_liar_in_front_of_an_honest_gateway_does_no_harm() {
    let sample = Sample::new();
    let mut blocks = sample.blocks();
    for (_, bytes) in &mut blocks[4..] {
        bytes[0] ^= 1;
    }
    let lie = car_of(&sample.root, &blocks);
    let liar = Server::start(move |_| Answer::ok(CAR, lie.clone())).unwrap();
    let dead = Server::start(|_| Answer::HangsUp).unwrap();
    let page = Server::start(|_| Answer::ok("text/html", "<html>captcha</html>")).unwrap();
    let honest = serving(&sample);
    let stores = [
        gateway(&dead),
        gateway(&page),
        gateway(&liar),
        gateway(&honest),
    ];
    let stores: Vec<&dyn BulkStore> = stores.iter().map(|store| store as _).collect();
    let fetched = fetch_bundle(&sample.root, &stores, &FetchOptions::new()).unwrap();
    assert_eq!(fetched.bundle.blocks().len(), sample.blocks().len());
    let failed: Vec<_> = fetched
        .failed
        .iter()
        .map(|attempt| &attempt.error)
        .collect();
    assert!(
        matches!(
            failed[..],
            [
                BulkError::Network { .. },
                BulkError::NotBlocks { .. },
                BulkError::Content(_)
            ]
        ),
        "{failed:?}"
    );
    assert_eq!(liar.requests().len(), 1);
}

#[test]
fn a_page_or_a_document_instead_of_blocks_is_refused_by_its_type() {
    let sample = Sample::new();
    for page in [
        "text/html",
        "text/html; charset=utf-8",
        "application/json",
        "text/plain",
    ] {
        let answer = Answer::ok(page, sample.car.clone());
        let (error, ..) = fetch_from(&sample, limits(), answer);
        assert!(
            matches!(error, BulkError::NotBlocks { .. }),
            "{page}: {error}"
        );
    }
    // A page that calls itself an archive is none all the same.
    let (error, ..) = fetch_from(&sample, limits(), Answer::ok(CAR, "<!doctype html>"));
    assert!(matches!(error, BulkError::Archive { .. }), "{error}");
}

#[test]
fn a_gateway_that_says_how_much_too_much_it_has_is_not_listened_to() {
    let sample = Sample::new();
    let huge = Answer::Claims(CAR, 1 << 40, Vec::new());
    let (error, _, sent) = fetch_from(&sample, limits(), huge);
    assert!(
        matches!(error, BulkError::TooLarge { limit, .. } if limit == 64 << 20),
        "{error}"
    );
    assert!(sent < 10_000);
}

#[test]
fn a_gateway_without_end_is_cut_off_at_the_cap() {
    let sample = Sample::new();
    let limits = BulkLimits {
        bundle_bytes_max: 1 << 20,
        ..limits()
    };
    // A valid header, then blocks that are what they say and that nobody asked for.
    let junk = vec![7; 50_000];
    let car = car_of(&sample.root, &[(cid_of(&junk), junk)]);
    let (error, _, sent) = fetch_from(&sample, limits, Answer::Endless(CAR, car));
    assert!(
        matches!(
            error,
            BulkError::TooLarge { .. } | BulkError::Archive { .. }
        ),
        "{error}"
    );
    // Two calls, each no more than the cap and what lies in buffers on the way.
    assert!(sent < 40 << 20, "{sent}");

    let blocks: Vec<_> = (0..=255)
        .cycle()
        .take(3_000)
        .map(|byte| (cid_of(&[byte]), vec![byte]))
        .collect();
    let limits = BulkLimits {
        blocks_max: 1_000,
        ..limits
    };
    let repeated = Answer::ok(CAR, car_of(&sample.root, &blocks));
    let (error, ..) = fetch_from(&sample, limits, repeated);
    assert!(
        matches!(error, BulkError::TooLarge { limit: 1_000, .. }),
        "{error}"
    );
}

#[test]
fn a_single_block_without_end_is_cut_off_too() {
    let server = Server::start(|_| Answer::Endless(RAW, vec![0; 65_536])).unwrap();
    let limits = BulkLimits {
        block_bytes_max: 100_000,
        ..limits()
    };
    let gateway = Gateway::new(&server.url(), limits).unwrap();
    let error = gateway.get_block(&cid_of(b"a")).unwrap_err();
    assert!(
        matches!(error, BulkError::TooLarge { limit: 100_000, .. }),
        "{error}"
    );
}

#[test]
fn a_gateway_that_is_silent_or_stalls_is_given_up_when_its_time_is_over() {
    let sample = Sample::new();
    let limits = BulkLimits {
        fetch_time: Duration::from_millis(150),
        ..limits()
    };
    let half = sample.car[..sample.car.len() / 2].to_vec();
    for answer in [Answer::Silent, Answer::Stalls(CAR, half)] {
        let (error, ..) = fetch_from(&sample, limits, answer);
        assert!(
            matches!(error, BulkError::TimedOut { limit_ms: 150, .. }),
            "{error}"
        );
        assert_eq!(error.retry_class(), RetryClass::Transient);
    }
}

#[test]
fn a_gateway_that_hangs_up_or_breaks_off_is_told_from_one_that_lies() {
    let sample = Sample::new();
    let (error, ..) = fetch_from(&sample, limits(), Answer::HangsUp);
    assert!(matches!(error, BulkError::Network { .. }), "{error}");
    let half = sample.car[..sample.car.len() / 2].to_vec();
    let claims = Answer::Claims(CAR, sample.car.len() as u64, half.clone());
    let (error, ..) = fetch_from(&sample, limits(), claims);
    assert!(matches!(error, BulkError::Network { .. }), "{error}");
    // It says that half of it is all of it.
    let (error, ..) = fetch_from(&sample, limits(), Answer::ok(CAR, half));
    assert!(matches!(error, BulkError::Archive { .. }), "{error}");
}

#[test]
fn what_was_good_before_a_gateway_broke_off_need_not_be_fetched_again() {
    let sample = Sample::new();
    let blocks = sample.blocks();
    let (cut, kept) = (car_of(&sample.root, &blocks[..20]), blocks.clone());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let server = Server::start(move |request| {
        if is_for_car(request) {
            return Answer::ok(CAR, cut.clone());
        }
        counted.fetch_add(1, Ordering::Relaxed);
        let wanted = |(cid, _): &&(Cid, Vec<u8>)| request.target.contains(&cid.to_string());
        Answer::ok(RAW, kept.iter().find(wanted).unwrap().1.clone())
    });
    let server = server.unwrap();
    let fetched = fetch_bundle(&sample.root, &[&gateway(&server)], &FetchOptions::new()).unwrap();
    assert_eq!(fetched.bundle.blocks().len(), blocks.len());
    assert_eq!(calls.load(Ordering::Relaxed), blocks.len() - 20);
}

#[test]
fn an_archive_of_something_else_is_refused_by_its_root() {
    let sample = Sample::new();
    let other = sample.blocks()[3].0;
    let answer = Answer::ok(CAR, car_of(&other, &sample.blocks()));
    let (error, ..) = fetch_from(&sample, limits(), answer);
    let BulkError::OtherRoot {
        expected, found: 1, ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(*expected, sample.root);
}

#[test]
fn an_archive_without_its_root_or_without_blocks_is_not_whole() {
    let sample = Sample::new();
    for blocks in [&sample.blocks()[1..], &[]] {
        let answer = Answer::ok(CAR, car_of(&sample.root, blocks));
        let server = Server::start(move |request| {
            if is_for_car(request) {
                return answer.clone();
            }
            Answer::Body(404, "text/plain", Vec::new())
        });
        let server = server.unwrap();
        let store = gateway(&server);
        let mut stage = Stage::new(&sample.root, limits()).unwrap();
        store.get_bundle(&mut stage).unwrap();
        let error = stage.finish().map(drop).unwrap_err();
        assert!(
            matches!(error, BulkError::Incomplete { missing: 1, .. }),
            "{error}"
        );
        assert!(fetch_bundle(&sample.root, &[&store], &FetchOptions::new()).is_err());
    }
}

#[test]
fn redirects_are_followed_a_few_times_and_never_round_and_round() {
    let sample = Sample::new();
    let honest = serving(&sample);
    let to = format!("{}/ipfs/{}?format=car", honest.url(), sample.root);
    let once = Server::start(move |_| Answer::Head(302, vec![("Location", to.clone())])).unwrap();
    let fetched = fetch_bundle(&sample.root, &[&gateway(&once)], &FetchOptions::new()).unwrap();
    assert_eq!(fetched.bundle.blocks().len(), sample.blocks().len());

    let round = Answer::Head(301, vec![("Location", "/round".to_owned())]);
    let server = Server::start(move |_| round.clone()).unwrap();
    let error = gateway(&server).get_block(&sample.root).unwrap_err();
    assert!(
        matches!(error, BulkError::Redirects { limit: 3, .. }),
        "{error}"
    );
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_gateway_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let sample = Sample::new();
    let requests = |status| {
        let server =
            Server::start(move |_| Answer::Body(status, "text/plain", Vec::new())).unwrap();
        let (patience, waits) = patience();
        let options = FetchOptions::new().patience(patience);
        let error = fetch_bundle(&sample.root, &[&gateway(&server)], &options)
            .map(drop)
            .unwrap_err();
        let archives = server
            .requests()
            .iter()
            .filter(|request| is_for_car(request))
            .count();
        (archives, waits.list().len(), error.retry_class())
    };
    for status in [429, 500, 503] {
        assert_eq!(requests(status), (4, 3, RetryClass::Transient), "{status}");
    }
    for status in [400, 403, 404, 413] {
        assert_eq!(requests(status), (1, 0, RetryClass::Permanent), "{status}");
    }
}

#[test]
fn a_gateway_that_fills_the_stage_with_junk_leaves_room_for_an_honest_one() {
    let sample = Sample::new();
    let junk: Vec<_> = (0..=255)
        .map(|byte| (cid_of(&[byte]), vec![byte]))
        .collect();
    let junk = car_of(&sample.root, &junk);
    let filler = Server::start(move |_| Answer::ok(CAR, junk.clone())).unwrap();
    let honest = serving(&sample);
    let stores = [gateway(&filler), gateway(&honest)];
    let limits = BulkLimits {
        blocks_max: sample.blocks().len(),
        ..limits()
    };
    let options = FetchOptions::new().limits(limits);
    let fetched = fetch_bundle(&sample.root, &[&stores[0], &stores[1]], &options).unwrap();
    assert_eq!(fetched.bundle.blocks().len(), sample.blocks().len());
    assert!(matches!(
        fetched.failed[0].error,
        BulkError::TooLarge { .. }
    ));
}
